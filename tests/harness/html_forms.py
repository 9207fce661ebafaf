"""What a browser would send: the forms of a page with their fields as they are filled in."""

from html.parser import HTMLParser


class Form:
    """Holds what a submit would send (`fields`, without unticked boxes) and all `names`."""

    def __init__(self, action: str, method: str) -> None:
        self.action = action
        self.method = method.lower()
        self.fields: list[tuple[str, str]] = []
        self.names: set[str] = set()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._select = ""
        self._textarea: tuple[str, list[str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get"))
            self.forms.append(self._form)
        elif self._form is not None:
            self._field(self._form, tag, given)

    def _field(self, form: Form, tag: str, given: dict[str, str]) -> None:
        name = given.get("name", "")
        if name:
            form.names.add(name)
        if tag == "select":
            self._select = name
        elif tag == "textarea":
            self._textarea = (name, [])
        elif tag == "option" and self._select and "selected" in given:
            form.fields.append((self._select, given.get("value", "")))
        elif tag == "input" and name:
            pressed = given.get("type") not in ("checkbox", "radio") or "checked" in given
            if pressed and given.get("type") != "submit":
                form.fields.append((name, given.get("value", "on")))

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self._textarea[1].append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._textarea and self._form is not None:
            name, text = self._textarea
            self._form.fields.append((name, "".join(text).removeprefix("\n")))
            self._textarea = None
        elif tag == "select":
            self._select = ""
        elif tag == "form":
            self._form = None


def forms_of(html: str) -> list[Form]:
    """The forms of a page, in the order in which they stand there."""
    reader = _Reader()
    reader.feed(html)
    return reader.forms
