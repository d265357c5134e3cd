"""The console's review queue and proof page, as support uses them all day."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.asserts import assertContains, assertNotContains

from audit.models import AuditEntry
from escrow.tests.factories import milestone_of
from kobatela.accounts.tests.factories import make_caller, make_staff, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from payments.selectors import payments_of
from proofs.admin.words import figure
from proofs.models import Proof
from proofs.services.decisions import decide_proof
from proofs.services.derivatives import make_derivative
from proofs.states import ProofStatus
from proofs.tests.factories import PDF, claim, pending_proof, photo, site_escrow, submit

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.console,
    pytest.mark.usefixtures("at_noon"),
]
QUEUE = "/admin/proofs/proof/"


def page_of(proof: Proof) -> str:
    return f"{QUEUE}{proof.pk}/change/"


def verdict_of(proof: Proof) -> str:
    return f"{QUEUE}{proof.pk}/verdict/"


@pytest.fixture
def support(client: Client) -> Client:
    client.force_login(make_staff("support"))
    return client


def listed(client: Client, query: str = "") -> list[int]:
    response = client.get(QUEUE + query)
    assert response.status_code == 200
    return [proof.pk for proof in response.context["cl"].result_list]


def body_of(response: Any) -> bytes:
    """The whole of a streamed answer; reading it to its end closes its file."""
    return b"".join(response.streaming_content)


# --- The queue ------------------------------------------------------------------------------------


def test_the_queue_shows_what_waits_longest_first_and_nothing_decided(support: Client) -> None:
    first = pending_proof()
    clock.advance(timedelta(minutes=1))
    submit(site_escrow(), photo())
    second = claim(site_escrow())

    assert listed(support) == [first.pk, second.pk]
    assertContains(support.get(QUEUE), "2 proofs wait.")


def test_an_empty_queue_says_so(support: Client) -> None:
    assertContains(support.get(QUEUE), "Nothing waits for a person.")


def test_the_queue_is_filtered_by_reason_kind_currency_amount_and_who_decides(
    support: Client,
) -> None:
    vague = pending_proof()
    no_file = claim(site_escrow())
    invoice = submit(site_escrow(terms={"proof_kind": "INVOICE"}), PDF, proof_type="INVOICE")
    large = pending_proof(site_escrow(2_000_000, currency="XOF"))
    senders = pending_proof(site_escrow(terms={"validator": "SENDER"}))

    assert listed(support, "?reason=NO_FILE") == [no_file.pk]
    assert listed(support, "?kind=INVOICE") == [invoice.pk]
    assert listed(support, "?currency=XOF") == [large.pk]
    assert listed(support, "?amount=1000000") == [large.pk]
    assert listed(support, "?amount=1000") == [proof.pk for proof in _all()]
    assert listed(support, "?decides=SENDER") == [senders.pk]
    assert listed(support, "?reason=GEOFENCE_UNCERTAIN&decides=SUPPORT") == [vague.pk, large.pk]


def _all() -> list[Proof]:
    return list(Proof.objects.order_by("created_at", "pk"))


def test_decided_proofs_are_found_newest_first(support: Client) -> None:
    approved = submit(site_escrow(), photo())
    waiting = pending_proof()

    assert listed(support, "?state=approved") == [approved.pk]
    assert listed(support, "?state=all") == [waiting.pk, approved.pk]
    # A number may be a proof's and an escrow's at once.
    meant = [one.pk for one in (waiting, approved) if approved.pk in {one.pk, one.escrow_id}]
    assert listed(support, f"?state=all&q={approved.pk}") == meant
    assert listed(support, f"?state=all&q={approved.file_sha256}") == [approved.pk]


def test_the_queue_says_how_many_have_approved(support: Client) -> None:
    proof = pending_proof(site_escrow(1_000_001))
    decide_proof(
        caller=make_caller(Scope.SUPPORT, make_user()),
        proof_id=proof.pk,
        decision=ProofStatus.APPROVED,
        note="",
    )

    assertContains(support.get(QUEUE), "1 of 2 approved")


def test_the_queue_costs_the_same_whatever_its_length(support: Client) -> None:
    for _ in range(3):
        pending_proof()
    support.get(QUEUE)
    with CaptureQueriesContext(
        connection,
    ) as few:
        support.get(QUEUE)
    for _ in range(6):
        pending_proof()

    with CaptureQueriesContext(connection) as many:
        support.get(QUEUE)

    assert len(many) == len(few) <= 15
    assert not any(
        "count(*)" in query["sql"].lower() and "limit" not in query["sql"].lower()
        for query in many.captured_queries
    )


# --- The page -------------------------------------------------------------------------------------


def test_the_page_shows_the_picture_beside_facts_findings_and_terms(support: Client) -> None:
    proof = pending_proof(metadata={"note_of_sender": "<b>north wall</b>"})
    make_derivative(proof_id=proof.pk)

    response = support.get(page_of(proof))

    assertContains(response, f'<img src="{QUEUE}{proof.pk}/picture/"')
    assertContains(response, "too vague to say that it is inside")
    assertContains(response, "GEOFENCE_UNCERTAIN")
    assertContains(response, "11:50:00 UTC, 10 min before it arrived")
    assertContains(response, "within 200.00 m of 5.350000, -4.000000")
    assertContains(response, "110.6 m from the centre of a circle of 200.00 m")
    assertContains(response, "<svg")
    assertContains(response, "Approve and pay 1000.00 EUR")
    assertContains(response, proof.file_sha256)
    assertContains(response, "&lt;b&gt;north wall&lt;/b&gt;")
    assertContains(response, "proof.submitted")


def test_looking_at_a_proof_is_audited(support: Client) -> None:
    proof = pending_proof()

    support.get(page_of(proof))
    body_of(support.get(f"{QUEUE}{proof.pk}/original/"))

    entries = AuditEntry.objects.filter(subject=f"proof:{proof.pk}", actor__startswith="staff:")
    assert set(entries.values_list("action", flat=True)) == {"proof.read", "proof_file.read"}


def test_a_picture_that_is_not_made_yet_is_announced(support: Client) -> None:
    proof = pending_proof()

    assertContains(support.get(page_of(proof)), "The picture is being prepared.")
    assert support.get(f"{QUEUE}{proof.pk}/picture/").status_code == 404


def test_a_proof_without_a_file_has_a_page_too(support: Client) -> None:
    proof = claim(site_escrow())

    assertContains(support.get(page_of(proof)), "There is no file.")


def test_a_reused_picture_links_to_its_matches(support: Client) -> None:
    earlier = submit(site_escrow(), photo(seed=99))
    proof = submit(site_escrow(), photo(seed=99, quality=50))

    link = f'<a href="{page_of(earlier)}">proof {earlier.pk}</a>'
    assertContains(support.get(page_of(proof)), link)


def test_a_mirrored_copy_is_said_to_be_one_and_has_no_bits(support: Client) -> None:
    proof = pending_proof()
    matches = [
        {"reference": proof.pk, "distance_bits": 4},
        {"reference": proof.pk, "distance_bits": 30, "turned": True},
        {"reference": proof.pk, "distance_km": 282.6, "minutes_between": 150.0},
    ]
    finding = {"code": "REUSED_IMAGE", "severity": "soft", "message": "Again.", "hint": ""}
    Proof.objects.filter(pk=proof.pk).update(findings=[finding | {"data": {"matches": matches}}])

    shown = support.get(page_of(proof))

    assertContains(shown, "(4 bits apart)")
    assertContains(shown, "(mirrored or turned)")
    assertContains(shown, "(282.6 km away, 2 h 30 min between them)")
    assertNotContains(shown, "30 bits")


@pytest.mark.parametrize(
    ("minutes", "said"),
    [(1007995.0, "699 days"), (150, "2 h 30 min"), (4.5, "4.5 min"), (-720.0, "-12 h 00 min")],
)
def test_minutes_of_a_finding_are_said_as_a_person_says_them(minutes: float, said: str) -> None:
    assert figure("age_minutes", minutes) == ("age", said)
    assert figure("age_minutes_min", minutes) == ("age", f"{said} at least")
    assert figure("age_minutes_max", minutes) == ("age", f"{said} at most")


@pytest.mark.parametrize(
    ("processing", "severities", "said"),
    [
        ("done", [], "Nothing spoke against it."),
        ("done", ["info"], "Nothing asks for it; what was noticed stands below."),
        ("advising", [], ""),
        ("advising", ["info"], ""),
    ],
)
def test_nothing_spoke_against_it_is_said_only_of_what_was_found_clean(
    support: Client, processing: str, severities: list[str], said: str
) -> None:
    proof = pending_proof()
    finding = {"code": "NO_C2PA", "message": "It is unsigned.", "hint": "", "data": {}}
    Proof.objects.filter(pk=proof.pk).update(
        review_reasons=[],
        processing=processing,
        findings=[finding | {"severity": severity} for severity in severities],
    )

    shown = support.get(page_of(proof))

    for words in ("Nothing spoke against it.", "Nothing asks for it"):
        assert (words in shown.content.decode()) is (bool(said) and said.startswith(words))


def test_the_picture_is_served_to_staff_only_and_nothing_in_it_may_run(
    support: Client, client: Client
) -> None:
    proof = pending_proof()
    make_derivative(proof_id=proof.pk)

    response = support.get(f"{QUEUE}{proof.pk}/picture/")

    assert response.status_code == 200
    assert response["Content-Type"] == "image/jpeg"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert {"private", "no-store"} <= set(response["Cache-Control"].split(", "))
    assert body_of(response)[:2] == b"\xff\xd8"
    anonymous = Client().get(f"{QUEUE}{proof.pk}/picture/")
    assert anonymous.status_code == 302
    assert "/login/" in anonymous["Location"]


def test_the_original_is_an_attachment(support: Client) -> None:
    content = photo()
    proof = submit(site_escrow(), content)

    response = support.get(f"{QUEUE}{proof.pk}/original/")

    assert response["Content-Disposition"] == f'attachment; filename="proof-{proof.pk}.jpg"'
    assert body_of(response) == content


@pytest.mark.parametrize("path", ["x", "0", "9" * 20, "\u0661"])
def test_no_such_proof_is_not_found(support: Client, path: str) -> None:
    assert support.get(f"{QUEUE}{path}/change/").status_code == 404


def test_a_user_without_a_role_meets_no_console(client: Client) -> None:
    user = make_staff("support")
    user.groups.clear()
    client.force_login(user)

    assert client.get(QUEUE).status_code == 403
    assert client.get(page_of(pending_proof())).status_code in {403, 404}


# --- The verdict ----------------------------------------------------------------------------------


def test_support_approves_and_goes_on_to_the_next(support: Client) -> None:
    proof = pending_proof()
    clock.advance(timedelta(minutes=1))
    following = pending_proof()

    response = support.post(
        verdict_of(proof), {"verdict": "approve", "note": "", "then_next": "on"}, follow=True
    )

    assert response.redirect_chain[-1][0] == page_of(following)
    assertContains(response, f"Proof {proof.pk} was approved.")
    proof.refresh_from_db()
    assert proof.status == "APPROVED"
    assert proof.decided_by.startswith("staff:")
    assert payments_of(proof.escrow_id).count() == 1


def test_support_rejects_with_a_note_and_stays(support: Client) -> None:
    proof = pending_proof()
    pending_proof()

    response = support.post(
        verdict_of(proof), {"verdict": "reject", "note": "Another house."}, follow=True
    )

    assert response.redirect_chain[-1][0] == page_of(proof)
    assertContains(response, "Another house.")
    assert milestone_of(proof.escrow).status == "REJECTED"


def test_a_refusal_is_shown_and_the_note_is_kept(support: Client) -> None:
    proof = claim(site_escrow())

    response = support.post(verdict_of(proof), {"verdict": "approve", "note": ""})

    assertContains(response, "Approving without a file needs a note")
    proof.refresh_from_db()
    assert proof.status == "PENDING"


def test_support_asks_for_more(support: Client) -> None:
    proof = pending_proof()

    response = support.post(
        verdict_of(proof), {"verdict": "ask", "note": "Show the roof."}, follow=True
    )

    assertContains(response, "the provider was asked for more")
    assertContains(response, "Show the roof.")


def test_the_first_of_two_people_is_told_that_it_only_counts(support: Client) -> None:
    proof = pending_proof(site_escrow(1_000_001))

    response = support.post(verdict_of(proof), {"verdict": "approve"}, follow=True)

    assertContains(response, "a second person has to approve it too")
    assertContains(response, "1 of 2 people have approved.")
    proof.refresh_from_db()
    assert proof.status == "PENDING"


def test_the_page_says_who_approved_first_and_why(support: Client) -> None:
    proof = claim(site_escrow(1_000_001))
    support.post(verdict_of(proof), {"verdict": "approve", "note": "Seen on the site."})

    second = Client()
    second.force_login(make_staff("support"))

    shown = second.get(page_of(proof))

    assertContains(shown, "at the console on 2026-11-24 12:00 UTC: “Seen on the site.”")


def test_a_decided_proof_offers_no_verdict(support: Client) -> None:
    proof = submit(site_escrow(), photo())

    response = support.get(page_of(proof))

    assertContains(response, "It was decided.")
    assertNotContains(response, 'value="approve"')


def test_staff_who_are_a_party_are_told_why_they_do_not_decide(client: Client) -> None:
    person = make_staff("support")
    client.force_login(person)
    proof = pending_proof(site_escrow(provider=person))

    page = client.get(page_of(proof))
    tried = client.post(verdict_of(proof), {"verdict": "approve"})

    assertContains(page, "Nobody decides a proof that they submitted")
    assertContains(tried, "OWN_PROOF_FORBIDDEN")
    proof.refresh_from_db()
    assert proof.status == "PENDING"


def test_a_verdict_is_not_given_by_a_link(support: Client) -> None:
    proof = pending_proof()

    support.get(verdict_of(proof) + "?verdict=approve")

    proof.refresh_from_db()
    assert proof.status == "PENDING"


def test_a_verdict_needs_the_form_of_the_page() -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(make_staff("support"))
    proof = pending_proof()

    assert careful.post(verdict_of(proof), {"verdict": "approve"}).status_code == 403


def test_the_page_costs_few_queries(support: Client) -> None:
    proof = pending_proof()
    support.get(page_of(proof))

    with CaptureQueriesContext(connection) as queries:
        support.get(page_of(proof))

    assert len(queries) <= 20, [query["sql"][:80] for query in queries]


def test_the_page_says_beforehand_that_two_people_are_needed(support: Client) -> None:
    small = pending_proof(site_escrow(50_000))
    large = pending_proof(site_escrow(1_000_001))
    assertNotContains(support.get(page_of(small)), "Two people have to approve")
    shown = support.get(page_of(large))
    assertContains(shown, "Two people have to approve this")
    assertContains(shown, "as the first of two")
