"""The functions of chat.formatting, as template filters."""

from django import template

from chat.formatting import compact, figure, gate, money, per, span, usd

register = template.Library()
for function in (compact, figure, gate, money, per, span, usd):
    register.filter(function)
