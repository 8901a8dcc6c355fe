"""What is the store's trouble and what is the record's."""

from __future__ import annotations

import pytest
from elastic_transport import ConnectionTimeout

from workshop_lib.runtime.store_errors import (
    IndexMissing,
    StoreBusy,
    StoreUnavailable,
    elasticsearch_error,
    elasticsearch_errors,
)


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (403, "cluster_block_exception", StoreBusy),  # index.blocks.write
        (429, "cluster_block_exception", StoreBusy),  # flood stage: the disk is full
        (429, "es_rejected_execution_exception", StoreBusy),
        (401, "security_exception", StoreBusy),
        (403, "security_exception", StoreBusy),
        (500, "null_pointer_exception", StoreBusy),
        (502, "", StoreBusy),
        (503, "unavailable_shards_exception", StoreBusy),
        (504, "", StoreBusy),
        (400, "index_closed_exception", StoreBusy),
        (404, "index_not_found_exception", IndexMissing),
        (400, "document_parsing_exception", None),
        (400, "strict_dynamic_mapping_exception", None),
        (400, "illegal_argument_exception", None),
        (404, "resource_not_found_exception", None),
        (413, "", None),
    ],
)
def test_waiting_heals_what_the_store_says_of_itself(
    status: int, kind: str, expected: type[StoreUnavailable] | None
) -> None:
    error = elasticsearch_error(status, {"type": kind, "reason": "why"})
    assert type(error) is (expected or type(None))
    if error:
        assert str(status) in str(error) and "why" in str(error)


def test_errors_of_clients_become_ours_and_others_stay() -> None:
    with pytest.raises(StoreUnavailable, match="ConnectionTimeout"), elasticsearch_errors():
        raise ConnectionTimeout("after 30 s")
    with pytest.raises(ValueError, match="mine"), elasticsearch_errors():
        raise ValueError("mine")
