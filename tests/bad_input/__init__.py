"""Files as they should not be, made by :mod:`corpus`; :mod:`trial` lets the program meet each of them."""
