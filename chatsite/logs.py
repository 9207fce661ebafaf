"""How log records are written."""

import json
import logging
from datetime import UTC, datetime


class ClientFaults(logging.Filter):
    """Takes the traceback off a record about a request that cannot be read.

    The fault is the client's, and any client could fill the log with them.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        # Imported late: logging is set up before Django is.
        from django.core.exceptions import BadRequest, SuspiciousOperation
        from django.http.multipartparser import MultiPartParserError

        if record.exc_info and isinstance(
            record.exc_info[1], BadRequest | SuspiciousOperation | MultiPartParserError
        ):
            record.exc_info = None
        return True


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON, for LOG_FORMAT=json.

    It has time (ISO 8601, UTC), level, logger, message and, where there is one, the traceback.
    """

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)
