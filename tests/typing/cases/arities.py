"""What holds for one event holds for eight: `on` and `handles` have an overload for each number of events.

A script writes the options of all overloads, and a test compares the package with it, so a wrong value of an option stands here
for two and for eight events only.
"""

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

    @handles(UserSignedUp, OrderPlaced, OrderPaid)
    def three_without_the_first(self, event: ShopEvent) -> None: ...  # E: the first event is not accepted

    @handles(
        OrderPlaced, OrderPaid, OrderShipped, UserSignedUp, when=any_event, priority=1, timeout=2.5, in_thread=True
    )
    def four(self, event: Event) -> None: ...

    @handles(OrderPlaced, OrderPaid, OrderShipped, UserSignedUp, when=shop_only)  # E: a filter without the last event
    def four_filtered(self, event: Event) -> None: ...

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

# Three
linker.on(OrderPlaced, OrderPaid, UserSignedUp, when=any_event, on_failure=any_failed)(any_event)
linker.on(OrderPlaced, OrderPaid, UserSignedUp, when=shop_only)  # E: a filter without the last event
linker.on(UserSignedUp, OrderPlaced, OrderPaid, when=shop_only)  # E: a filter without the first event
linker.on(OrderPlaced, OrderPaid, UserSignedUp, on_failure=shop_failed)  # E: a failure callback without the last event
linker.on(UserSignedUp, OrderPlaced, OrderPaid, on_failure=shop_failed)  # E: a failure callback without the first event
linker.on(OrderPlaced, OrderPaid, UserSignedUp)(shop_only)  # E: a handler without the last event
linker.on(UserSignedUp, OrderPlaced, OrderPaid)(shop_only)  # E: a handler without the first event
linker.on(OrderPlaced, OrderPaid, UserSignedUp, on_success=takes_bool, when=any_event)(any_event)
linker.on(OrderPlaced, OrderPaid, UserSignedUp, on_success=takes_text)(any_event)  # E: the result is a bool
linker.on(OrderPlaced, OrderPaid, UserSignedUp, on_success=takes_bool)(gives_text)  # E: the result is a str

# Four
linker.on(OrderPlaced, OrderPaid, OrderShipped, UserSignedUp, when=any_event, on_failure=any_failed)(any_event)
linker.on(OrderPlaced, OrderPaid, OrderShipped, UserSignedUp, when=shop_only)  # E: a filter without the last event
linker.on(UserSignedUp, OrderPlaced, OrderPaid, OrderShipped, when=shop_only)  # E: a filter without the first event
linker.on(
    OrderPlaced, OrderPaid, OrderShipped, UserSignedUp, on_failure=shop_failed
)  # E: a failure callback without the last event
linker.on(
    UserSignedUp, OrderPlaced, OrderPaid, OrderShipped, on_failure=shop_failed
)  # E: a failure callback without the first event
linker.on(OrderPlaced, OrderPaid, OrderShipped, UserSignedUp)(shop_only)  # E: a handler without the last event
linker.on(UserSignedUp, OrderPlaced, OrderPaid, OrderShipped)(shop_only)  # E: a handler without the first event
linker.on(OrderPlaced, OrderPaid, OrderShipped, UserSignedUp, on_success=takes_bool, when=any_event)(any_event)
linker.on(OrderPlaced, OrderPaid, OrderShipped, UserSignedUp, on_success=takes_text)(
    any_event
)  # E: the result is a bool
linker.on(OrderPlaced, OrderPaid, OrderShipped, UserSignedUp, on_success=takes_bool)(
    gives_text
)  # E: the result is a str

# Five
linker.on(OrderPlaced, OrderPaid, OrderShipped, ExpressShipped, UserSignedUp, when=any_event, on_failure=any_failed)(
    any_event
)
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
