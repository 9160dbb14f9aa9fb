"""What must hold while many sign in at the same time, on each database."""

from concurrent.futures import ThreadPoolExecutor

from consent_tokens.errors import ConsentTokensError, TooManyRequestsError
from consent_tokens.services.admission.actors import Actor
from consent_tokens.services.people import proposals, sign_in, waits
from consent_tokens.services.people.person import Console
from consent_tokens.services.people.proposals import ProposedKind
from consent_tokens.store.operators import Role
from tests.console_people import PASSWORD, operator
from tests.service import ADMIN, Service

THREADS = 8


def test_many_at_the_same_time_guess_no_more_and_use_nothing_twice(service: Service) -> None:
    ann = operator(service)
    browser = sign_in.Browser(client_ip="192.0.2.7", user_agent="")
    runtime = service.runtime

    def guess(_number: int) -> str:
        try:
            found = sign_in.check_password(
                runtime, Console.OPERATOR, ann.person.name, "guess-guess-guess", browser
            )
        except TooManyRequestsError:
            return "waits"
        return "right" if found else "wrong"

    def use_code(_number: int) -> bool:
        pending = sign_in.check_password(
            runtime, Console.OPERATOR, ann.person.name, PASSWORD, known
        )
        try:
            begun = sign_in.finish_with_code(runtime, Console.OPERATOR, pending or "", code, known)
        except ConsentTokensError:
            return False
        return begun is not None

    def approve(number: int) -> bool:
        try:
            proposals.approve(
                runtime, Actor(f"opr_{number}", Role.ADMIN), made.id, lambda _at, _it: None
            )
        except ConsentTokensError:
            return False
        return True

    made = proposals.propose(runtime, ADMIN, ProposedKind.WITHDRAW_KEY, "kid_1", "it was copied")
    proof = runtime.sign_value(sign_in.BROWSER_USE, ann.person.id)
    known = sign_in.Browser(client_ip="192.0.2.8", user_agent="", proof=proof)
    code = ann.recovery_codes[0]
    with ThreadPoolExecutor(THREADS) as pool:
        guesses = list(pool.map(guess, range(2 * THREADS)))
        assert guesses.count("wrong") == waits.BY_NAME.free + 1
        assert guesses.count("waits") == 2 * THREADS - waits.BY_NAME.free - 1
        assert list(pool.map(approve, range(THREADS))).count(True) == 1
        assert list(pool.map(use_code, range(4))).count(True) == 1
