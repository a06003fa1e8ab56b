"""In whose name a program acts: who holds the key is always said first, and whom it names only after that."""

from starlette.requests import Request

from moat.domain.errors import RequestError
from moat.domain.keys import check_text


def actor_of(request: Request, said: str, where: str = "actor") -> str:
    """Who acts, for the record: the key's owner, and with `said` the one that it acts for.

    Raises `RequestError` for a name that is too long or holds what does not print, and for a person who is signed in:
    nobody acts for somebody else in a browser.
    """
    owner: str = request.state.key.actor
    if not said:
        return owner
    if request.state.session is not None:
        raise RequestError("who is signed in acts for nobody else", where=where, remedy="Leave it out, or use a key.")
    check_text(said, where=where)
    return f"{owner}, for {said}"
