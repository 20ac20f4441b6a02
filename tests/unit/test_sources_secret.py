"""Secrets: what is taken for one, what is not, and that none of it gets into a document's parts or into anything that is logged."""

from __future__ import annotations

import time

import pytest

from trainer.sources.document import of_parsed
from trainer.sources.parsing.blocks import Block, Parsed
from trainer.sources.secret import ACCESS_KEY, ACCOUNT, CARD, PASSWORD, PRIVATE_KEY, Secret, kinds_of, secrets_in, without_secrets

KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAx8Yz1aQ\nq0jHc3N1\n-----END RSA PRIVATE KEY-----"
AWS = "AKIA" + "IOSFODNN7EXAMPLE"
GITHUB = "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"The key of the build server is {AWS}.", ACCESS_KEY),
        (f"{GITHUB} is the token of the mirror", ACCESS_KEY),
        ("Log in with sk-ant-api03-" + "a1B2c3D4" * 5, ACCESS_KEY),
        ("xoxb-" + "263594206564-2343594206574-FGqddMF8t08v8N7Oq4i57vs1", ACCESS_KEY),
        ("The feed is at https://tom:geheim@intranet.example.org/feed", ACCESS_KEY),
        ("API key: 9f8e7d6c5b4a39281706", ACCESS_KEY),
        (KEY, PRIVATE_KEY),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", PRIVATE_KEY),
        ("My card is 4111 1111 1111 1111, valid until 12/28.", CARD),
        ("5500-0000-0000-0004", CARD),
        ("Amex 378282246310005", CARD),
        ("Rent goes to DE89 3704 0044 0532 0130 00 on the first.", ACCOUNT),
        ("GB82WEST12345698765432", ACCOUNT),
        ("password: swordfish", PASSWORD),
        ("The password for the bank is Tr0ub4dor&3.", PASSWORD),
        ("My password is swordfish.", PASSWORD),
        ("Das Passwort lautet Hasenbrot7.", PASSWORD),
        ("The PIN of my phone is 4711.", PASSWORD),
    ],
)
def test_secrets_are_found_by_kind(text: str, kind: str) -> None:
    assert kind in kinds_of(secrets_in(text))


@pytest.mark.parametrize(
    "text",
    [
        "Our office cat is called Miso.", "The password is kept in the vault.", "The password must be changed every month.",
        "The password is required.", "Password: required", "The PIN code of Delhi is 110001.", "The key is under the mat.",
        "The key to success is patience.", "Call 0800 1234 5678 or +49 170 1234567.", "The ISBN is 978-3-16-148410-0.",
        "Order 4111 1111 1111 1112 was sent.", "The secret of the cake is cinnamon.", "Commit 4cb1e7d4 of 2026-11-21 12:30:15",
        "The Wi-Fi password at the cabin is moss-lantern-42.", "The API key is kept by Ann.", "Access token lifetimes are 60 minutes.",
        "The distance is 384400 km, the mass 5972000000000000000000000 kg.", "See https://example.org/a:b@c for more.",
        "0000 0000 0000 0000",
    ],
)  # fmt: skip
def test_what_only_sounds_secret_is_none(text: str) -> None:
    assert secrets_in(text) == ()


def test_a_secret_never_shows_its_value() -> None:
    (secret,) = secrets_in("password: swordfish")
    assert secret == Secret(PASSWORD, "swordfish")
    assert "swordfish" not in repr(secret) and "swordfish" not in f"{secret}"


def read(*texts: str, confirmed: str = "") -> tuple[str, tuple[str, ...]]:
    """What is learned of a document, and what is said to be left out."""
    reading = of_parsed(Parsed("text", tuple(Block("paragraph", text) for text in texts)), "notes.txt", confirmed=confirmed)
    return " ".join(passage for part in reading.parts for passage in part.passages), reading.about.skipped


def test_sentences_with_secrets_are_left_out_of_a_document_and_counted() -> None:
    said, skipped = read(
        "The office opens at nine in the morning. The admin password: hunter2! The cat is called Miso.",
        "Pay with 4111 1111 1111 1111 at the desk downstairs.",
    )
    assert said == "The office opens at nine in the morning. The cat is called Miso."
    assert skipped == ("2 sentences that hold something secret (a password, a card number)",)


def test_a_private_key_is_left_out_whole_over_all_its_lines() -> None:
    body = ("MIIEowIBAAKCAQEAx8Yz1aQq0jHc3N1" * 3, "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ" * 2)
    said, skipped = read(
        "The server is called Otter.", "-----BEGIN RSA PRIVATE KEY-----", *body, "-----END RSA PRIVATE KEY-----", "It stands in Ghent."
    )
    assert said == "The server is called Otter. It stands in Ghent."
    assert skipped == ("1 sentence that holds something secret (a private key)",)


def test_a_key_without_an_end_does_not_swallow_the_document() -> None:
    said, _ = read("-----BEGIN RSA PRIVATE KEY-----", "MIIEowIBAAKCAQEAx8Yz1aQq0jHc3N1" * 3, "The server is called Otter and stands in Ghent.")
    assert said == "The server is called Otter and stands in Ghent."


def test_what_its_user_confirmed_is_learned() -> None:
    said, skipped = read("The admin password: hunter2", confirmed="read this, the admin password: hunter2")
    assert "hunter2" in said and skipped == ()


def test_a_secret_title_is_not_kept() -> None:
    parsed = Parsed("text", (Block("paragraph", "The cat is called Miso."),), title="password: hunter2")
    assert of_parsed(parsed, "notes.txt").about.title is None


def test_code_stays_code() -> None:
    blocks = (Block("code", "password = 'hunter2'"), Block("paragraph", "The cat is called Miso."))
    assert without_secrets(blocks) == (blocks, ())


@pytest.mark.parametrize("piece", ["sk-", "://a:", "eyJ", "eyJ.", "password for ", "xoxb-1-", "AA00", "4 ", "aws key ", "-----BEGIN "])
def test_no_text_takes_time_with_the_square_of_its_length(piece: str) -> None:
    short, long = piece * 2_000, piece * 16_000
    secrets_in(short)
    started = time.process_time()
    secrets_in(short)
    once = time.process_time() - started
    started = time.process_time()
    secrets_in(long)
    assert time.process_time() - started < 30 * max(once, 0.005)  # eight times the text; its square would be 64 times
