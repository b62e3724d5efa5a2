"""What holds for one event holds for eight: `on` and `handles` have an overload for each number of events."""

from shop import ExpressShipped, OrderPaid, OrderPlaced, OrderShipped, ShopEvent, UserSignedUp

from pyventus_typed import Event, Linker, Subscriber, handles

linker = Linker()


def shop_only(event: ShopEvent) -> bool:
    return True


def any_event(event: Event) -> bool:
    return True


def shop_failed(event: ShopEvent, error: Exception) -> None: ...


def any_failed(event: Event, error: Exception) -> None: ...


def takes_bool(result: bool) -> None: ...


def takes_text(result: str) -> None: ...


def gives_text(event: Event) -> str:
    return ""


class Desk(Subscriber[Event]):
    @handles(OrderPlaced, UserSignedUp, when=any_event, priority=1, timeout=2.5, in_thread=True)
    def two(self, event: Event) -> None: ...

    @handles(OrderPlaced, UserSignedUp, when=shop_only)  # E: a filter without the last event
    def two_filtered(self, event: Event) -> None: ...

    @handles(OrderPlaced, UserSignedUp, priority="high")  # E: a priority is an int
    def two_urgent(self, event: Event) -> None: ...

    @handles(OrderPlaced, UserSignedUp, timeout="2s")  # E: a timeout is in seconds
    def two_late(self, event: Event) -> None: ...

    @handles(OrderPlaced, UserSignedUp, in_thread=3)  # E: in_thread is a bool
    def two_threaded(self, event: Event) -> None: ...

    @handles(UserSignedUp, OrderPlaced)
    def two_without_the_first(self, event: ShopEvent) -> None: ...  # E: the first event is not accepted

    @handles(OrderPlaced, OrderPaid, UserSignedUp, when=any_event, priority=1, timeout=2.5, in_thread=True)
    def three(self, event: Event) -> None: ...

    @handles(OrderPlaced, OrderPaid, UserSignedUp, when=shop_only)  # E: a filter without the last event
    def three_filtered(self, event: Event) -> None: ...

    @handles(OrderPlaced, OrderPaid, UserSignedUp, priority="high")  # E: a priority is an int
    def three_urgent(self, event: Event) -> None: ...

    @handles(OrderPlaced, OrderPaid, UserSignedUp, timeout="2s")  # E: a timeout is in seconds
    def three_late(self, event: Event) -> None: ...

    @handles(OrderPlaced, OrderPaid, UserSignedUp, in_thread=3)  # E: in_thread is a bool
    def three_threaded(self, event: Event) -> None: ...

    @handles(UserSignedUp, OrderPlaced, OrderPaid)
    def three_without_the_first(self, event: ShopEvent) -> None: ...  # E: the first event is not accepted

    @handles(
        OrderPlaced, OrderPaid, OrderShipped, UserSignedUp, when=any_event, priority=1, timeout=2.5, in_thread=True
    )
    def four(self, event: Event) -> None: ...

    @handles(OrderPlaced, OrderPaid, OrderShipped, UserSignedUp, when=shop_only)  # E: a filter without the last event
    def four_filtered(self, event: Event) -> None: ...

    @handles(OrderPlaced, OrderPaid, OrderShipped, UserSignedUp, priority="high")  # E: a priority is an int
    def four_urgent(self, event: Event) -> None: ...

    @handles(OrderPlaced, OrderPaid, OrderShipped, UserSignedUp, timeout="2s")  # E: a timeout is in seconds
    def four_late(self, event: Event) -> None: ...

    @handles(OrderPlaced, OrderPaid, OrderShipped, UserSignedUp, in_thread=3)  # E: in_thread is a bool
    def four_threaded(self, event: Event) -> None: ...

    @handles(UserSignedUp, OrderPlaced, OrderPaid, OrderShipped)
    def four_without_the_first(self, event: ShopEvent) -> None: ...  # E: the first event is not accepted

    @handles(
        OrderPlaced,
        OrderPaid,
        OrderShipped,
        ExpressShipped,
        UserSignedUp,
        when=any_event,
        priority=1,
        timeout=2.5,
        in_thread=True,
    )
    def five(self, event: Event) -> None: ...

    @handles(
        OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, UserSignedUp, when=shop_only
    )  # E: a filter without the last event
    def five_filtered(self, event: Event) -> None: ...

    @handles(
        OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, UserSignedUp, priority="high"
    )  # E: a priority is an int
    def five_urgent(self, event: Event) -> None: ...

    @handles(
        OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, UserSignedUp, timeout="2s"
    )  # E: a timeout is in seconds
    def five_late(self, event: Event) -> None: ...

    @handles(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, UserSignedUp, in_thread=3)  # E: in_thread is a bool
    def five_threaded(self, event: Event) -> None: ...

    @handles(UserSignedUp, OrderPlaced, OrderPaid, OrderShipped, ExpressShipped)
    def five_without_the_first(self, event: ShopEvent) -> None: ...  # E: the first event is not accepted

    @handles(
        OrderPlaced,
        OrderPaid,
        OrderShipped,
        ExpressShipped,
        OrderPlaced,
        UserSignedUp,
        when=any_event,
        priority=1,
        timeout=2.5,
        in_thread=True,
    )
    def six(self, event: Event) -> None: ...

    @handles(
        OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, UserSignedUp, when=shop_only
    )  # E: a filter without the last event
    def six_filtered(self, event: Event) -> None: ...

    @handles(
        OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, UserSignedUp, priority="high"
    )  # E: a priority is an int
    def six_urgent(self, event: Event) -> None: ...

    @handles(
        OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, UserSignedUp, timeout="2s"
    )  # E: a timeout is in seconds
    def six_late(self, event: Event) -> None: ...

    @handles(
        OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, UserSignedUp, in_thread=3
    )  # E: in_thread is a bool
    def six_threaded(self, event: Event) -> None: ...

    @handles(UserSignedUp, OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced)
    def six_without_the_first(self, event: ShopEvent) -> None: ...  # E: the first event is not accepted

    @handles(
        OrderPlaced,
        OrderPaid,
        OrderShipped,
        ExpressShipped,
        OrderPlaced,
        OrderPaid,
        UserSignedUp,
        when=any_event,
        priority=1,
        timeout=2.5,
        in_thread=True,
    )
    def seven(self, event: Event) -> None: ...

    @handles(
        OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, OrderPaid, UserSignedUp, when=shop_only
    )  # E: a filter without the last event
    def seven_filtered(self, event: Event) -> None: ...

    @handles(
        OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, OrderPaid, UserSignedUp, priority="high"
    )  # E: a priority is an int
    def seven_urgent(self, event: Event) -> None: ...

    @handles(
        OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, OrderPaid, UserSignedUp, timeout="2s"
    )  # E: a timeout is in seconds
    def seven_late(self, event: Event) -> None: ...

    @handles(
        OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, OrderPaid, UserSignedUp, in_thread=3
    )  # E: in_thread is a bool
    def seven_threaded(self, event: Event) -> None: ...

    @handles(UserSignedUp, OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, OrderPaid)
    def seven_without_the_first(self, event: ShopEvent) -> None: ...  # E: the first event is not accepted

    @handles(
        OrderPlaced,
        OrderPaid,
        OrderShipped,
        ExpressShipped,
        OrderPlaced,
        OrderPaid,
        OrderShipped,
        UserSignedUp,
        when=any_event,
        priority=1,
        timeout=2.5,
        in_thread=True,
    )
    def eight(self, event: Event) -> None: ...

    @handles(
        OrderPlaced,
        OrderPaid,
        OrderShipped,
        ExpressShipped,
        OrderPlaced,
        OrderPaid,
        OrderShipped,
        UserSignedUp,
        when=shop_only,
    )  # E: a filter without the last event
    def eight_filtered(self, event: Event) -> None: ...

    @handles(
        OrderPlaced,
        OrderPaid,
        OrderShipped,
        ExpressShipped,
        OrderPlaced,
        OrderPaid,
        OrderShipped,
        UserSignedUp,
        priority="high",
    )  # E: a priority is an int
    def eight_urgent(self, event: Event) -> None: ...

    @handles(
        OrderPlaced,
        OrderPaid,
        OrderShipped,
        ExpressShipped,
        OrderPlaced,
        OrderPaid,
        OrderShipped,
        UserSignedUp,
        timeout="2s",
    )  # E: a timeout is in seconds
    def eight_late(self, event: Event) -> None: ...

    @handles(
        OrderPlaced,
        OrderPaid,
        OrderShipped,
        ExpressShipped,
        OrderPlaced,
        OrderPaid,
        OrderShipped,
        UserSignedUp,
        in_thread=3,
    )  # E: in_thread is a bool
    def eight_threaded(self, event: Event) -> None: ...

    @handles(UserSignedUp, OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, OrderPaid, OrderShipped)
    def eight_without_the_first(self, event: ShopEvent) -> None: ...  # E: the first event is not accepted


# Two
linker.on(OrderPlaced, UserSignedUp, when=any_event, on_failure=any_failed)(any_event)
linker.on(OrderPlaced, UserSignedUp, once=True, priority=1, timeout=2, in_thread=True, replace=True)(any_event)
linker.on(OrderPlaced, UserSignedUp, when=shop_only)  # E: a filter without the last event
linker.on(UserSignedUp, OrderPlaced, when=shop_only)  # E: a filter without the first event
linker.on(OrderPlaced, UserSignedUp, on_failure=shop_failed)  # E: a failure callback without the last event
linker.on(UserSignedUp, OrderPlaced, on_failure=shop_failed)  # E: a failure callback without the first event
linker.on(OrderPlaced, UserSignedUp, once="yes")  # E: once is a bool
linker.on(OrderPlaced, UserSignedUp, priority="high")  # E: a priority is an int
linker.on(OrderPlaced, UserSignedUp, timeout="2s")  # E: a timeout is in seconds
linker.on(OrderPlaced, UserSignedUp, in_thread=3)  # E: in_thread is a bool
linker.on(OrderPlaced, UserSignedUp, replace=3)  # E: replace is a bool
linker.on(OrderPlaced, UserSignedUp, on_success=takes_bool, replace=3)  # E: replace is a bool
linker.on(OrderPlaced, UserSignedUp)(shop_only)  # E: a handler without the last event
linker.on(UserSignedUp, OrderPlaced)(shop_only)  # E: a handler without the first event
linker.on(OrderPlaced, UserSignedUp, on_success=takes_bool, when=any_event)(any_event)
linker.on(OrderPlaced, UserSignedUp, on_success=takes_text)(any_event)  # E: the result is a bool
linker.on(OrderPlaced, UserSignedUp, on_success=takes_bool)(gives_text)  # E: the result is a str
linker.on(OrderPlaced, UserSignedUp, on_success=takes_bool)(
    shop_only
)  # E: with a callback too, the last event is accepted
linker.on(UserSignedUp, OrderPlaced, on_success=takes_bool)(
    shop_only
)  # E: with a callback too, the first event is accepted
linker.on(
    OrderPlaced, UserSignedUp, on_success=takes_bool, when=shop_only
)  # E: with a callback too, the filter takes all
linker.on(
    OrderPlaced, UserSignedUp, on_success=takes_bool, on_failure=shop_failed
)  # E: with a callback too, as does this one
linker.on(
    OrderPlaced, UserSignedUp, on_success=takes_bool, priority="high"
)  # E: with a callback too, a priority is an int

# Three
linker.on(OrderPlaced, OrderPaid, UserSignedUp, when=any_event, on_failure=any_failed)(any_event)
linker.on(OrderPlaced, OrderPaid, UserSignedUp, once=True, priority=1, timeout=2, in_thread=True, replace=True)(
    any_event
)
linker.on(OrderPlaced, OrderPaid, UserSignedUp, when=shop_only)  # E: a filter without the last event
linker.on(UserSignedUp, OrderPlaced, OrderPaid, when=shop_only)  # E: a filter without the first event
linker.on(OrderPlaced, OrderPaid, UserSignedUp, on_failure=shop_failed)  # E: a failure callback without the last event
linker.on(UserSignedUp, OrderPlaced, OrderPaid, on_failure=shop_failed)  # E: a failure callback without the first event
linker.on(OrderPlaced, OrderPaid, UserSignedUp, once="yes")  # E: once is a bool
linker.on(OrderPlaced, OrderPaid, UserSignedUp, priority="high")  # E: a priority is an int
linker.on(OrderPlaced, OrderPaid, UserSignedUp, timeout="2s")  # E: a timeout is in seconds
linker.on(OrderPlaced, OrderPaid, UserSignedUp, in_thread=3)  # E: in_thread is a bool
linker.on(OrderPlaced, OrderPaid, UserSignedUp, replace=3)  # E: replace is a bool
linker.on(OrderPlaced, OrderPaid, UserSignedUp)(shop_only)  # E: a handler without the last event
linker.on(UserSignedUp, OrderPlaced, OrderPaid)(shop_only)  # E: a handler without the first event
linker.on(OrderPlaced, OrderPaid, UserSignedUp, on_success=takes_bool, when=any_event)(any_event)
linker.on(OrderPlaced, OrderPaid, UserSignedUp, on_success=takes_text)(any_event)  # E: the result is a bool
linker.on(OrderPlaced, OrderPaid, UserSignedUp, on_success=takes_bool)(gives_text)  # E: the result is a str
linker.on(OrderPlaced, OrderPaid, UserSignedUp, on_success=takes_bool)(
    shop_only
)  # E: with a callback too, the last event is accepted
linker.on(UserSignedUp, OrderPlaced, OrderPaid, on_success=takes_bool)(
    shop_only
)  # E: with a callback too, the first event is accepted
linker.on(
    OrderPlaced, OrderPaid, UserSignedUp, on_success=takes_bool, when=shop_only
)  # E: with a callback too, the filter takes all
linker.on(
    OrderPlaced, OrderPaid, UserSignedUp, on_success=takes_bool, on_failure=shop_failed
)  # E: with a callback too, as does this one
linker.on(
    OrderPlaced, OrderPaid, UserSignedUp, on_success=takes_bool, priority="high"
)  # E: with a callback too, a priority is an int

# Four
linker.on(OrderPlaced, OrderPaid, OrderShipped, UserSignedUp, when=any_event, on_failure=any_failed)(any_event)
linker.on(
    OrderPlaced, OrderPaid, OrderShipped, UserSignedUp, once=True, priority=1, timeout=2, in_thread=True, replace=True
)(any_event)
linker.on(OrderPlaced, OrderPaid, OrderShipped, UserSignedUp, when=shop_only)  # E: a filter without the last event
linker.on(UserSignedUp, OrderPlaced, OrderPaid, OrderShipped, when=shop_only)  # E: a filter without the first event
linker.on(
    OrderPlaced, OrderPaid, OrderShipped, UserSignedUp, on_failure=shop_failed
)  # E: a failure callback without the last event
linker.on(
    UserSignedUp, OrderPlaced, OrderPaid, OrderShipped, on_failure=shop_failed
)  # E: a failure callback without the first event
linker.on(OrderPlaced, OrderPaid, OrderShipped, UserSignedUp, once="yes")  # E: once is a bool
linker.on(OrderPlaced, OrderPaid, OrderShipped, UserSignedUp, priority="high")  # E: a priority is an int
linker.on(OrderPlaced, OrderPaid, OrderShipped, UserSignedUp, timeout="2s")  # E: a timeout is in seconds
linker.on(OrderPlaced, OrderPaid, OrderShipped, UserSignedUp, in_thread=3)  # E: in_thread is a bool
linker.on(OrderPlaced, OrderPaid, OrderShipped, UserSignedUp, replace=3)  # E: replace is a bool
linker.on(OrderPlaced, OrderPaid, OrderShipped, UserSignedUp)(shop_only)  # E: a handler without the last event
linker.on(UserSignedUp, OrderPlaced, OrderPaid, OrderShipped)(shop_only)  # E: a handler without the first event
linker.on(OrderPlaced, OrderPaid, OrderShipped, UserSignedUp, on_success=takes_bool, when=any_event)(any_event)
linker.on(OrderPlaced, OrderPaid, OrderShipped, UserSignedUp, on_success=takes_text)(
    any_event
)  # E: the result is a bool
linker.on(OrderPlaced, OrderPaid, OrderShipped, UserSignedUp, on_success=takes_bool)(
    gives_text
)  # E: the result is a str
linker.on(OrderPlaced, OrderPaid, OrderShipped, UserSignedUp, on_success=takes_bool)(
    shop_only
)  # E: with a callback too, the last event is accepted
linker.on(UserSignedUp, OrderPlaced, OrderPaid, OrderShipped, on_success=takes_bool)(
    shop_only
)  # E: with a callback too, the first event is accepted
linker.on(
    OrderPlaced, OrderPaid, OrderShipped, UserSignedUp, on_success=takes_bool, when=shop_only
)  # E: with a callback too, the filter takes all
linker.on(
    OrderPlaced, OrderPaid, OrderShipped, UserSignedUp, on_success=takes_bool, on_failure=shop_failed
)  # E: with a callback too, as does this one
linker.on(
    OrderPlaced, OrderPaid, OrderShipped, UserSignedUp, on_success=takes_bool, priority="high"
)  # E: with a callback too, a priority is an int

# Five
linker.on(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, UserSignedUp, when=any_event, on_failure=any_failed)(
    any_event
)
linker.on(
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    ExpressShipped,
    UserSignedUp,
    once=True,
    priority=1,
    timeout=2,
    in_thread=True,
    replace=True,
)(any_event)
linker.on(
    OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, UserSignedUp, when=shop_only
)  # E: a filter without the last event
linker.on(
    UserSignedUp, OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, when=shop_only
)  # E: a filter without the first event
linker.on(
    OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, UserSignedUp, on_failure=shop_failed
)  # E: a failure callback without the last event
linker.on(
    UserSignedUp, OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, on_failure=shop_failed
)  # E: a failure callback without the first event
linker.on(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, UserSignedUp, once="yes")  # E: once is a bool
linker.on(
    OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, UserSignedUp, priority="high"
)  # E: a priority is an int
linker.on(
    OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, UserSignedUp, timeout="2s"
)  # E: a timeout is in seconds
linker.on(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, UserSignedUp, in_thread=3)  # E: in_thread is a bool
linker.on(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, UserSignedUp, replace=3)  # E: replace is a bool
linker.on(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, UserSignedUp)(
    shop_only
)  # E: a handler without the last event
linker.on(UserSignedUp, OrderPlaced, OrderPaid, OrderShipped, ExpressShipped)(
    shop_only
)  # E: a handler without the first event
linker.on(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, UserSignedUp, on_success=takes_bool)(any_event)
linker.on(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, UserSignedUp, on_success=takes_text)(
    any_event
)  # E: the result is a bool
linker.on(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, UserSignedUp, on_success=takes_bool)(
    gives_text
)  # E: the result is a str
linker.on(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, UserSignedUp, on_success=takes_bool)(
    shop_only
)  # E: with a callback too, the last event is accepted
linker.on(UserSignedUp, OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, on_success=takes_bool)(
    shop_only
)  # E: with a callback too, the first event is accepted

# Six
linker.on(
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    ExpressShipped,
    OrderPlaced,
    UserSignedUp,
    when=any_event,
    on_failure=any_failed,
)(any_event)
linker.on(
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    ExpressShipped,
    OrderPlaced,
    UserSignedUp,
    once=True,
    priority=1,
    timeout=2,
    in_thread=True,
    replace=True,
)(any_event)
linker.on(
    OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, UserSignedUp, when=shop_only
)  # E: a filter without the last event
linker.on(
    UserSignedUp, OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, when=shop_only
)  # E: a filter without the first event
linker.on(
    OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, UserSignedUp, on_failure=shop_failed
)  # E: a failure callback without the last event
linker.on(
    UserSignedUp, OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, on_failure=shop_failed
)  # E: a failure callback without the first event
linker.on(
    OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, UserSignedUp, once="yes"
)  # E: once is a bool
linker.on(
    OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, UserSignedUp, priority="high"
)  # E: a priority is an int
linker.on(
    OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, UserSignedUp, timeout="2s"
)  # E: a timeout is in seconds
linker.on(
    OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, UserSignedUp, in_thread=3
)  # E: in_thread is a bool
linker.on(
    OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, UserSignedUp, replace=3
)  # E: replace is a bool
linker.on(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, UserSignedUp)(
    shop_only
)  # E: a handler without the last event
linker.on(UserSignedUp, OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced)(
    shop_only
)  # E: a handler without the first event
linker.on(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, UserSignedUp, on_success=takes_bool)(
    any_event
)
linker.on(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, UserSignedUp, on_success=takes_text)(
    any_event
)  # E: the result is a bool
linker.on(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, UserSignedUp, on_success=takes_bool)(
    gives_text
)  # E: the result is a str
linker.on(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, UserSignedUp, on_success=takes_bool)(
    shop_only
)  # E: with a callback too, the last event is accepted
linker.on(UserSignedUp, OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, on_success=takes_bool)(
    shop_only
)  # E: with a callback too, the first event is accepted

# Seven
linker.on(
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    ExpressShipped,
    OrderPlaced,
    OrderPaid,
    UserSignedUp,
    when=any_event,
    on_failure=any_failed,
)(any_event)
linker.on(
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    ExpressShipped,
    OrderPlaced,
    OrderPaid,
    UserSignedUp,
    once=True,
    priority=1,
    timeout=2,
    in_thread=True,
    replace=True,
)(any_event)
linker.on(
    OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, OrderPaid, UserSignedUp, when=shop_only
)  # E: a filter without the last event
linker.on(
    UserSignedUp, OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, OrderPaid, when=shop_only
)  # E: a filter without the first event
linker.on(
    OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, OrderPaid, UserSignedUp, on_failure=shop_failed
)  # E: a failure callback without the last event
linker.on(
    UserSignedUp, OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, OrderPaid, on_failure=shop_failed
)  # E: a failure callback without the first event
linker.on(
    OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, OrderPaid, UserSignedUp, once="yes"
)  # E: once is a bool
linker.on(
    OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, OrderPaid, UserSignedUp, priority="high"
)  # E: a priority is an int
linker.on(
    OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, OrderPaid, UserSignedUp, timeout="2s"
)  # E: a timeout is in seconds
linker.on(
    OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, OrderPaid, UserSignedUp, in_thread=3
)  # E: in_thread is a bool
linker.on(
    OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, OrderPaid, UserSignedUp, replace=3
)  # E: replace is a bool
linker.on(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, OrderPaid, UserSignedUp)(
    shop_only
)  # E: a handler without the last event
linker.on(UserSignedUp, OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, OrderPaid)(
    shop_only
)  # E: a handler without the first event
linker.on(
    OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, OrderPaid, UserSignedUp, on_success=takes_bool
)(any_event)
linker.on(
    OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, OrderPaid, UserSignedUp, on_success=takes_text
)(any_event)  # E: the result is a bool
linker.on(
    OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, OrderPaid, UserSignedUp, on_success=takes_bool
)(gives_text)  # E: the result is a str
linker.on(
    OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, OrderPaid, UserSignedUp, on_success=takes_bool
)(shop_only)  # E: with a callback too, the last event is accepted
linker.on(
    UserSignedUp, OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, OrderPaid, on_success=takes_bool
)(shop_only)  # E: with a callback too, the first event is accepted

# Eight
linker.on(
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    ExpressShipped,
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    UserSignedUp,
    when=any_event,
    on_failure=any_failed,
)(any_event)
linker.on(
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    ExpressShipped,
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    UserSignedUp,
    once=True,
    priority=1,
    timeout=2,
    in_thread=True,
    replace=True,
)(any_event)
linker.on(
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    ExpressShipped,
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    UserSignedUp,
    when=shop_only,
)  # E: a filter without the last event
linker.on(
    UserSignedUp,
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    ExpressShipped,
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    when=shop_only,
)  # E: a filter without the first event
linker.on(
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    ExpressShipped,
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    UserSignedUp,
    on_failure=shop_failed,
)  # E: a failure callback without the last event
linker.on(
    UserSignedUp,
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    ExpressShipped,
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    on_failure=shop_failed,
)  # E: a failure callback without the first event
linker.on(
    OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, OrderPaid, OrderShipped, UserSignedUp, once="yes"
)  # E: once is a bool
linker.on(
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    ExpressShipped,
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    UserSignedUp,
    priority="high",
)  # E: a priority is an int
linker.on(
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    ExpressShipped,
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    UserSignedUp,
    timeout="2s",
)  # E: a timeout is in seconds
linker.on(
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    ExpressShipped,
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    UserSignedUp,
    in_thread=3,
)  # E: in_thread is a bool
linker.on(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, OrderPaid, OrderShipped, UserSignedUp)(
    shop_only
)  # E: a handler without the last event
linker.on(UserSignedUp, OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, OrderPlaced, OrderPaid, OrderShipped)(
    shop_only
)  # E: a handler without the first event
linker.on(
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    ExpressShipped,
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    UserSignedUp,
    on_success=takes_bool,
)(any_event)
linker.on(
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    ExpressShipped,
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    UserSignedUp,
    on_success=takes_text,
)(any_event)  # E: the result is a bool
linker.on(
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    ExpressShipped,
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    UserSignedUp,
    on_success=takes_bool,
)(gives_text)  # E: the result is a str
linker.on(
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    ExpressShipped,
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    UserSignedUp,
    on_success=takes_bool,
)(shop_only)  # E: with a callback too, the last event is accepted
linker.on(
    UserSignedUp,
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    ExpressShipped,
    OrderPlaced,
    OrderPaid,
    OrderShipped,
    on_success=takes_bool,
)(shop_only)  # E: with a callback too, the first event is accepted
