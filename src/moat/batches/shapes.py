"""Files and batches as OpenAI's API shows them (https://platform.openai.com/docs/api-reference/batch)."""

from collections.abc import Sequence
from typing import Any

from moat.domain.batches import Batch, Problem, StoredFile


def file_object(file: StoredFile) -> dict[str, Any]:
    """A file."""
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": _seconds(file.created_ns),
        "expires_at": _seconds(file.expires_ns),
        "filename": file.filename,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": None,
    }


def batch_object(batch: Batch) -> dict[str, Any]:
    """A batch. Its files are named only when they are there."""
    ended = not batch.open
    # A batch that failed its check never had a first line.
    has_output = ended and batch.completed > 0
    has_errors = ended and batch.failed > 0
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "errors": _errors(batch.problems),
        "input_file_id": batch.input_file,
        "completion_window": "24h",
        "status": batch.status,
        "output_file_id": batch.output_file if has_output else None,
        "error_file_id": batch.error_file if has_errors else None,
        "created_at": _seconds(batch.created_ns),
        "in_progress_at": _seconds(batch.in_progress_ns),
        "expires_at": _seconds(batch.expires_ns),
        "finalizing_at": _seconds(batch.finalizing_ns),
        "cancelling_at": _seconds(batch.cancelling_ns),
        **{f"{name}_at": _seconds(batch.ended_ns) if batch.status == name else None for name in _ENDS},
        "request_counts": {"total": batch.total, "completed": batch.completed, "failed": batch.failed},
        "metadata": batch.metadata or None,
    }


_ENDS = ("completed", "failed", "expired", "cancelled")


def list_object(data: Sequence[dict[str, Any]], limit: int) -> dict[str, Any]:
    """One page of a list; `data` has one more than the page holds when there is another."""
    shown = list(data[:limit])
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": len(data) > limit,
    }


def _errors(problems: Sequence[Problem]) -> dict[str, Any] | None:
    data = [
        {"code": each.code, "message": each.message, "param": each.param or None, "line": each.line or None}
        for each in problems
    ]
    return {"object": "list", "data": data} if data else None


def _seconds(moment_ns: int) -> int | None:
    return moment_ns // 10**9 or None
