"""The form in which SQL compares providers' ids of orders."""


def key_of(text: str) -> str:
    """Returns the SQL expression for ``base.ids.order_key``: drops the leading zeros of an id that is all digits.

    ``text`` is an SQL expression.
    """
    return f"case when ltrim({text}, '0123456789') = '' then ltrim({text}, '0') else {text} end"
