"""The exporter: a completed call as a vCon and as a Contact-Lens-like file in the lake."""

import msgspec

from service.analytics.contact_lens import contact_lens_of
from service.analytics.documents import export_keys_of
from service.analytics.port import CallTable, Lake
from service.analytics.rows import call_of
from service.analytics.vcon import vcon_of
from service.call_events import CallEndedData


class UnknownCallError(LookupError):
    """The call has not ended, or is not kept (any more)."""


def export_call(session_id: str, *, table: CallTable, lake: Lake) -> dict[str, str]:
    """Write a call's exports; doing it again replaces them. Returns their keys by format.

    Raises:
        UnknownCallError: there is no such call, or its end is not recorded.
    """
    call = call_of(table.rows(session_id))
    if call.ended is None or not isinstance(call.ended.data, CallEndedData):
        raise UnknownCallError("the call has not ended, or is not kept")
    keys = export_keys_of(session_id, f"{call.ended.data.started_at:%Y-%m-%d}")
    lake.put(keys["vcon"], msgspec.json.encode(vcon_of(call)))
    lake.put(keys["contact_lens"], msgspec.json.encode(contact_lens_of(call)))
    return keys
