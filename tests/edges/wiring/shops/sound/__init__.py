"""A shop in which everything is handled, in two linkers: the check must find no fault in it."""
