"""Daraja's results in, our words out: payouts (5.6), reversals, states and balances (5.8), codes and oddities."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.money import Money
from gateway.domain.phone import Phone
from integrations.mpesa.lookup_results import (
    BALANCE_TROUBLE,
    read_balance,
    read_balance_late,
    read_receipt_late,
    read_receipt_state,
)
from integrations.mpesa.payout_results import (
    read_payout,
    read_payout_late,
    read_payout_state,
    read_state_late,
    read_undo,
    read_undo_late,
)
from integrations.mpesa.rail import CHANNELS
from integrations.protocols import BalanceResult, LookupResult, PaymentVerdict, PayoutResult

PAYEE = Phone("+254708374149")
PAID, FAILED, NO_ANSWER = PaymentVerdict.PAID, PaymentVerdict.FAILED, PaymentVerdict.NO_ANSWER
PENDING = PaymentVerdict.PENDING

SUCCESS = (
    b'{"Result":{"ResultType":0,"ResultCode":0,"ResultDesc":"The service request is processed successfully.",'
    b'"OriginatorConversationID":"53e3-4aa8-9fe0-8fb5e4092cdd3533373",'
    b'"ConversationID":"AG_20240706_2010364430d9bbdaf872","TransactionID":"SG632NMUAB",'
    b'"ResultParameters":{"ResultParameter":[{"Key":"TransactionAmount","Value":10},'
    b'{"Key":"TransactionReceipt","Value":"SG632NMUAB"},'
    b'{"Key":"ReceiverPartyPublicName","Value":"254708374149 - JOHN DOE"},'
    b'{"Key":"TransactionCompletedDateTime","Value":"06.07.2024 22:48:52"},'
    b'{"Key":"B2CUtilityAccountAvailableFunds","Value":8959269.60},'
    b'{"Key":"B2CWorkingAccountAvailableFunds","Value":1199371.00},'
    b'{"Key":"B2CRecipientIsRegisteredCustomer","Value":"Y"},'
    b'{"Key":"B2CChargesPaidAccountAvailableFunds","Value":-1980.00}]},"ReferenceData":{"ReferenceItem":'
    b'{"Key":"QueueTimeoutURL","Value":"https://internalsandbox.safaricom.co.ke/mpesa/b2cresults/v1/submit"}}}}'
)
WRONG_INITIATOR = (
    b'{"Result":{"ResultType":0,"ResultCode":2001,"ResultDesc":"The initiator information is invalid.",'
    b'"OriginatorConversationID":"53e3-4aa8-9fe0-8fb5e4092cdd3544366",'
    b'"ConversationID":"AG_20240707_201062f6f6f5804f7a33","TransactionID":"SG722NMVXQ","ReferenceData":{"ReferenceItem":'
    b'{"Key":"QueueTimeoutURL","Value":"https://internalsandbox.safaricom.co.ke/mpesa/b2cresults/v1/submit"}}}}'
)
STATE = (
    b'{"Result":{"ConversationID":"AG_20180223_0000493344ae97d86f75","OriginatorConversationID":"3213-416199-2",'
    b'"ReferenceData":{"ReferenceItem":{"Key":"Occasion"}},"ResultCode":0,'
    b'"ResultDesc":"The service request is processed successfully.","ResultParameters":{"ResultParameter":['
    b'{"Key":"DebitPartyName","Value":"600310 - Safaricom333"},'
    b'{"Key":"DebitPartyName","Value":"254708374149 - John Doe"},'
    b'{"Key":"OriginatorConversationID","Value":"3211-416020-3"},{"Key":"InitiatedTime","Value":"20180223054112"},'
    b'{"Key":"DebitAccountType","Value":"Utility Account"},'
    b'{"Key":"DebitPartyCharges","Value":"Fee For B2C Payment|KES|22.40"},{"Key":"TransactionReason"},'
    b'{"Key":"ReasonType","Value":"Business Payment to Customer via API"},'
    b'{"Key":"TransactionStatus","Value":"Completed"},{"Key":"FinalisedTime","Value":"20180223054112"},'
    b'{"Key":"Amount","Value":"300"},{"Key":"ConversationID","Value":"AG_20180223_000041b09c22e613d6c9"},'
    b'{"Key":"ReceiptNo","Value":"MBN31H462N"}]},"ResultType":0,"TransactionID":"MBN0000000"}}'
)
UNDONE = (
    b'{"Result":{"ResultType":0,"ResultCode":0,"ResultDesc":"The service request is processed successfully.",'
    b'"OriginatorConversationID":"dad6-4c34-8787-c8cb963a496d1268232",'
    b'"ConversationID":"AG_20211114_201018edbbf9f1582eaa","TransactionID":"SKE52PAWR9",'
    b'"ResultParameters":{"ResultParameter":['
    b'{"Key":"DebitAccountBalance","Value":"Utility Account|KES|7722179.62|7722179.62|0.00|0.00"},'
    b'{"Key":"Amount","Value":1.00},{"Key":"TransCompletedTime","Value":20211114132711},'
    b'{"Key":"OriginalTransactionID","Value":"SKC82PACB8"},{"Key":"Charge","Value":0.00},'
    b'{"Key":"CreditPartyPublicName","Value":"254708374149 - JOHN DOE"},'
    b'{"Key":"DebitPartyPublicName","Value":"600992 - Safaricom Daraja 992"}]},"ReferenceData":{"ReferenceItem":'
    b'{"Key":"QueueTimeoutURL","Value":"https://internalsandbox.safaricom.co.ke/mpesa/reversalresults/v1/submit"}}}}'
)
NOT_UNDONE = (
    b'{"Result":{"ResultType":0,"ResultCode":"R000002","ResultDesc":"The OriginalTransactionID is invalid.",'
    b'"OriginatorConversationID":"3124-481d-b706-10bdd6fbc8e21792398",'
    b'"ConversationID":"AG_20211114_2010573069aefb6b625a","TransactionID":"SKE0000000","ReferenceData":{"ReferenceItem":'
    b'{"Key":"QueueTimeoutURL","Value":"https://internalsandbox.safaricom.co.ke/mpesa/reversalresults/v1/submit"}}}}'
)
BALANCE = (
    b'{"Result":{"ResultType":"0","ResultCode":"0","ResultDesc":"The service request is processed successfully",'
    b'"OriginatorConversationID":"16917-22577599-3","ConversationID":"AG_20200206_00005e091a8ec6b9eac5",'
    b'"TransactionID":"OA90000000","ResultParameters":{"ResultParameter":[{"Key":"AccountBalance","Value":'
    b'"Working Account|KES|700000.00|700000.00|0.00|0.00&Float Account|KES|0.00|0.00|0.00|0.00'
    b"&Utility Account|KES|228037.00|228037.00|0.00|0.00&Charges Paid Account|KES|-1540.00|-1540.00|0.00|0.00"
    b'&Organization Settlement Account|KES|0.00|0.00|0.00|0.00"},'
    b'{"Key":"BOCompletedTime","Value":"20200109125710"}]},"ReferenceData":{"ReferenceItem":'
    b'{"Key":"QueueTimeoutURL","Value":"https://internalsandbox.safaricom.co.ke/mpesa/abresults/v1/submit"}}}}'
)


def changed(body: bytes, **changes: Any) -> bytes:
    """A documented result with other outer fields; ``None`` takes one away."""
    result = json.loads(body)["Result"] | changes
    return json.dumps({"Result": {key: value for key, value in result.items() if value is not None}}).encode()


def with_values(body: bytes, **values: Any) -> bytes:
    """A documented result with other values under its keys; ``None`` leaves the key without one."""
    listed = json.loads(body)["Result"]["ResultParameters"]["ResultParameter"]
    kept = [item for item in listed if item["Key"] not in values]
    new = [{"Key": key} | ({} if value is None else {"Value": value}) for key, value in values.items()]
    return changed(body, ResultParameters={"ResultParameter": kept + new})


def test_the_documented_payout() -> None:
    assert read_payout(SUCCESS) == PayoutResult(
        PAID,
        "53e3-4aa8-9fe0-8fb5e4092cdd3533373",
        "AG_20240706_2010364430d9bbdaf872",
        "SG632NMUAB",
        Money.major(10),
        PAYEE,
        "0",
        "",
        datetime(2024, 7, 6, 19, 48, 52, tzinfo=UTC),
    )


def test_the_documented_failed_payout_has_no_receipt_though_it_has_a_transaction() -> None:
    assert read_payout(WRONG_INITIATOR) == PayoutResult(
        FAILED,
        "53e3-4aa8-9fe0-8fb5e4092cdd3544366",
        "AG_20240707_201062f6f6f5804f7a33",
        code="2001",
        reason="config",
    )


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("1", "no_float"),
        ("2", "limit"),
        ("3", "limit"),
        ("4", "limit"),
        ("8", "limit"),
        ("11", "config"),
        ("21", "config"),
        ("2001", "config"),
        ("2006", "config"),
        ("2028", "config"),
        ("2040", "not_registered"),
        ("8006", "config"),
        ("SFC_IC0003", "not_registered"),
        ("R000001", "already"),
        ("R000002", "other"),
    ],
)
@pytest.mark.parametrize(("read", "body"), [(read_payout, WRONG_INITIATOR), (read_undo, NOT_UNDONE)])
def test_every_code_is_a_failure_with_our_word_as_number_and_as_text(
    read: Callable[[bytes], PayoutResult | None], body: bytes, code: str, reason: str
) -> None:
    for written in {code, int(code) if code.isdigit() else code}:
        result = read(changed(body, ResultCode=written))
        assert result is not None
        assert (result.verdict, result.code, result.reason, result.receipt) == (FAILED, code, reason, None)


@pytest.mark.parametrize("code", ["15", "17", "26", 4321, "NEW", -1, "100000001"])
@pytest.mark.parametrize(("read", "body"), [(read_payout, WRONG_INITIATOR), (read_undo, NOT_UNDONE)])
def test_a_code_nobody_knows_never_makes_a_payout_failed(
    read: Callable[[bytes], PayoutResult | None], body: bytes, code: Any
) -> None:
    result = read(changed(body, ResultCode=code))
    assert result is not None
    assert (result.verdict, result.code, result.reason) == (NO_ANSWER, str(code), "other")


@pytest.mark.parametrize("code", [0, "0", 0.0])
@pytest.mark.parametrize(("read", "body"), [(read_payout, SUCCESS), (read_undo, UNDONE), (read_payout_state, STATE)])
def test_success_is_zero_however_it_is_written(
    read: Callable[[bytes], PayoutResult | None], body: bytes, code: Any
) -> None:
    result = read(changed(body, ResultCode=code, ResultType="0"))
    assert result is not None
    assert (result.verdict, result.code) == (PAID, "0")


def test_keys_in_another_order_and_a_single_object_instead_of_a_list() -> None:
    listed = json.loads(SUCCESS)["Result"]["ResultParameters"]["ResultParameter"]
    turned = changed(SUCCESS, ResultParameters={"ResultParameter": listed[::-1]})
    assert read_payout(turned) == read_payout(SUCCESS)
    alone = read_payout(changed(SUCCESS, ResultParameters={"ResultParameter": listed[0]}))
    assert alone is not None
    assert (alone.verdict, alone.amount, alone.receipt) == (PAID, Money.major(10), "SG632NMUAB")


@pytest.mark.parametrize(
    "reference",
    [{"ReferenceItem": [{"Key": "QueueTimeoutURL", "Value": "x"}]}, {"ReferenceItem": {"Key": "Occasion"}}, {}, "x"],
)
def test_reference_data_of_any_form_changes_nothing(reference: Any) -> None:
    assert read_payout(changed(SUCCESS, ReferenceData=reference)) == read_payout(SUCCESS)


@pytest.mark.parametrize("parameters", [None, {}, [], "x", {"ResultParameter": None}, {"ResultParameter": ["x", 1]}])
def test_a_payout_without_parameters_is_paid_all_the_same(parameters: Any) -> None:
    result = read_payout(changed(SUCCESS, ResultParameters=parameters))
    assert result is not None
    assert (result.verdict, result.receipt, result.amount, result.payee) == (PAID, "SG632NMUAB", None, None)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (10, Money.major(10)),
        ("10", Money.major(10)),
        ("10.50", Money(1050)),
        (0.1, Money(10)),
        (8959269.60, Money(895_926_960)),
        ("10.505", None),
        ("1e3", None),
        ("1,000", None),
        (-1, None),
        (True, None),
        ({}, None),
        (10**12, None),
    ],
)
def test_amounts_are_exact_to_the_cent_or_not_told(written: Any, read: Money | None) -> None:
    result = read_payout(with_values(SUCCESS, TransactionAmount=written))
    assert result is not None
    assert result.amount == read


def test_an_amount_is_not_rounded_into_a_good_one() -> None:
    body = SUCCESS.replace(b'"Value":10}', b'"Value":10.0000000000000000000000000000000000000001}')
    result = read_payout(body)
    assert result is not None
    assert result.amount is None


@pytest.mark.parametrize("name", ["254708***149 - JOHN DOE", "JOHN DOE", "", 254708374149, None, "254708374149"])
def test_a_payee_is_told_only_by_a_number_in_clear(name: Any) -> None:
    result = read_payout(with_values(SUCCESS, ReceiverPartyPublicName=name))
    assert result is not None
    assert result.payee == (PAYEE if name == "254708374149" else None)


@pytest.mark.parametrize("time", ["2024-07-06", "31.02.2024 22:48:52", "", 0, None, "99.99.9999 99:99:99"])
def test_a_time_that_is_none_is_not_told(time: Any) -> None:
    result = read_payout(with_values(SUCCESS, TransactionCompletedDateTime=time))
    assert result is not None
    assert result.occurred_at is None


@pytest.mark.parametrize("missing", ["OriginatorConversationID", "ConversationID"])
def test_one_id_is_enough_to_know_a_payout_by(missing: str) -> None:
    result = read_payout(changed(SUCCESS, **{missing: None}))
    assert result is not None
    assert (result.own_id is None, result.provider_id is None) == (missing[0] == "O", missing[0] == "C")


def test_a_result_that_names_no_payout_or_no_code_is_none() -> None:
    assert read_payout(changed(SUCCESS, OriginatorConversationID=None, ConversationID=None)) is None
    assert read_payout(changed(SUCCESS, ResultCode=None)) is None
    assert read_undo(changed(UNDONE, ConversationID=None)) is None


@pytest.mark.parametrize(
    ("body", "own_id", "provider_id"),
    [
        (b"", None, None),
        (b"\xff\xfe not json", None, None),
        (b"[]", None, None),
        (b'{"anything":1}', None, None),
        (b'{"OriginatorConversationID":"mine","ConversationID":"AG_1"}', "mine", "AG_1"),
        (b'{"Result":{"OriginatorConversationID":"mine","ConversationID":"AG_1","ResultCode":0}}', "mine", "AG_1"),
    ],
)
def test_a_queue_timeout_of_any_form_is_no_answer(body: bytes, own_id: str | None, provider_id: str | None) -> None:
    assert read_payout_late(body) == PayoutResult(NO_ANSWER, own_id, provider_id)
    assert read_undo_late(body) == PayoutResult(NO_ANSWER, None, provider_id)
    assert read_state_late(body) == PayoutResult(NO_ANSWER)
    assert read_receipt_late(body) == LookupResult(NO_ANSWER)
    assert read_balance_late(body) == BalanceResult({})


def test_the_documented_state_of_a_payout_has_its_ids_inside() -> None:
    assert read_payout_state(STATE) == PayoutResult(
        PAID,
        "3211-416020-3",
        "AG_20180223_000041b09c22e613d6c9",
        "MBN31H462N",
        Money.major(300),
        PAYEE,
        "0",
        "",
        datetime(2018, 2, 23, 2, 41, 12, tzinfo=UTC),
    )


def test_keys_with_spaces_are_the_same_keys() -> None:
    spaced = STATE.replace(b'"Key":"OriginatorConversationID"', b'"Key":"Originator Conversation ID"')
    spaced = spaced.replace(b'"Key":"ConversationID"', b'"Key":"Conversation ID"')
    assert read_payout_state(spaced) == read_payout_state(STATE)


def test_the_ids_of_the_question_are_never_taken_for_the_payouts() -> None:
    bare = changed(STATE, ResultParameters={"ResultParameter": {"Key": "TransactionStatus", "Value": "Completed"}})
    assert read_payout_state(bare) == PayoutResult(PAID, code="0")


@pytest.mark.parametrize(
    ("word", "verdict"),
    [
        ("Completed", PAID),
        ("COMPLETED", PAID),
        ("Failed", FAILED),
        ("Declined", FAILED),
        ("Cancelled", FAILED),
        ("Expired", FAILED),
        ("Pending", PENDING),
        ("Initiated", PENDING),
        ("Submitted", PENDING),
        ("Authorized", PENDING),
        ("Reversed", NO_ANSWER),
        ("Something New", NO_ANSWER),
        ("", NO_ANSWER),
        (None, NO_ANSWER),
        (1, NO_ANSWER),
    ],
)
def test_only_known_words_decide_about_a_payment(word: Any, verdict: PaymentVerdict) -> None:
    body = with_values(STATE, TransactionStatus=word)
    payout, receipt = read_payout_state(body), read_receipt_state(body)
    assert payout is not None
    assert receipt is not None
    assert payout.verdict is receipt.verdict is verdict
    assert payout.receipt == ("MBN31H462N" if verdict is PAID else None)


@pytest.mark.parametrize("code", [1, "2001", "17", 26, "R000002", "NEW"])
def test_a_question_that_failed_says_nothing_of_the_payout_even_with_a_status(code: Any) -> None:
    result = read_payout_state(changed(STATE, ResultCode=code))
    assert result is not None
    assert (result.verdict, result.receipt, result.code) == (NO_ANSWER, None, str(code))


def test_the_documented_reversal_and_its_failure() -> None:
    assert read_undo(UNDONE) == PayoutResult(
        PAID,
        None,
        "AG_20211114_201018edbbf9f1582eaa",
        "SKE52PAWR9",
        Money.major(1),
        PAYEE,
        "0",
        "",
        datetime(2021, 11, 14, 10, 27, 11, tzinfo=UTC),
    )
    assert read_undo(NOT_UNDONE) == PayoutResult(
        FAILED, None, "AG_20211114_2010573069aefb6b625a", code="R000002", reason="other"
    )


def test_the_documented_state_of_a_receipt() -> None:
    assert read_receipt_state(STATE) == LookupResult(
        PAID,
        "MBN31H462N",
        Money.major(300),
        "3211-416020-3",
        "0",
        "Completed",
        datetime(2018, 2, 23, 2, 41, 12, tzinfo=UTC),
    )


@pytest.mark.parametrize(("code", "verdict"), [("R000002", FAILED), (17, NO_ANSWER), ("NEW", NO_ANSWER)])
def test_only_no_such_receipt_is_certain_about_a_receipt(code: Any, verdict: PaymentVerdict) -> None:
    result = read_receipt_state(changed(STATE, ResultCode=code, ResultParameters=None))
    assert result is not None
    assert (result.verdict, result.receipt, result.code) == (verdict, None, str(code))


def test_the_documented_balance() -> None:
    assert read_balance(BALANCE) == BalanceResult(
        {
            "Working Account": Money.major(700_000),
            "Float Account": Money(0),
            "Utility Account": Money.major(228_037),
            "Charges Paid Account": Money.major(-1_540),
            "Organization Settlement Account": Money(0),
        },
        "0",
        datetime(2020, 1, 9, 9, 57, 10, tzinfo=UTC),
    )


@pytest.mark.parametrize("code", sorted(BALANCE_TROUBLE))
def test_a_balance_that_was_not_told_has_the_code_and_no_account(code: str) -> None:
    for written in (code, int(code)):
        assert read_balance(changed(BALANCE, ResultCode=written)) == BalanceResult(
            {}, code, datetime(2020, 1, 9, 9, 57, 10, tzinfo=UTC)
        )


@pytest.mark.parametrize(
    ("listed", "accounts"),
    [
        ("Utility Account|KES|346568.83|6186.83|340382.00|0.00", {"Utility Account": Money(34_656_883)}),
        ("Utility Account|KES|1.005|1|0|0&Working Account|KES|2.00|2|0|0", {"Working Account": Money.major(2)}),
        ("Utility Account|USD|5.00|5.00|0|0", {}),
        ("Utility Account|KES", {}),
        ("|KES|5.00|5.00|0|0", {}),
        ("&&|||", {}),
        ("", {}),
        (5, {}),
        (None, {}),
    ],
)
def test_accounts_that_cannot_be_read_are_left_out(listed: Any, accounts: dict[str, Money]) -> None:
    result = read_balance(with_values(BALANCE, AccountBalance=listed))
    assert result is not None
    assert result.accounts == accounts


LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
TREE = st.recursive(LEAF, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
KEYS = st.sampled_from(
    [
        "TransactionAmount", "TransactionReceipt", "ReceiverPartyPublicName", "TransactionCompletedDateTime", "Amount",
        "TransactionStatus", "FinalisedTime", "Originator Conversation ID", "ReceiptNo", "CreditPartyName",
        "DebitPartyName", "AccountBalance", "BOCompletedTime", "TransCompletedTime", "CreditPartyPublicName",
    ]
)  # fmt: skip
ENVELOPE = st.fixed_dictionaries(
    {},
    optional={
        "ResultCode": st.just(0) | LEAF,
        "OriginatorConversationID": LEAF,
        "ConversationID": st.just("AG_1") | LEAF,
        "TransactionID": LEAF,
        "ResultParameters": TREE
        | st.fixed_dictionaries({"ResultParameter": st.lists(st.fixed_dictionaries({"Key": KEYS, "Value": TREE}))}),
    },
)
ARRIVAL = st.fixed_dictionaries(
    {},
    optional={
        name: st.just(good) | TREE
        for name, good in (("TransID", "RKL51ZDR4F"), ("TransAmount", "5.00"), ("MSISDN", "254708374149"))
    }
    | {"TransTime": LEAF, "BillRefNumber": TREE},
)


RESULTS = ENVELOPE.map(lambda envelope: json.dumps({"Result": envelope}))
BODIES = st.binary() | TREE.map(json.dumps) | RESULTS | ARRIVAL.map(json.dumps)


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.name)
@settings(deadline=None)
@given(body=BODIES)
def test_no_body_whatever_breaks_a_reader(channel: Any, body: bytes | str) -> None:
    repr(channel.read(body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")))


def test_channels_have_names_that_daraja_lets_into_addresses() -> None:
    forbidden = ("mpesa", "m-pesa", "safaricom", "exe", "exec", "cmd", "sql", "query")
    names = [channel.name for channel in CHANNELS]
    assert len(set(names)) == len(names)
    assert not [name for name in names for word in forbidden if word in name]
