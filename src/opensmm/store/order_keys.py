"""What orders at providers are compared by, in SQL."""


def key_of(text: str) -> str:
    """The expression for ``base.ids.order_key`` of a text: an id of digits alone has no leading zeros."""
    return f"case when ltrim({text}, '0123456789') = '' then ltrim({text}, '0') else {text} end"
