"""The providers' own Python libraries judge our signatures, and make some for us to judge.

Usage: webhook_signatures.py sign            prints requests as those libraries sign them, one JSON object per line
       webhook_signatures.py verify          reads such objects from standard input: all must be believed, and changed ones refused
       webhook_signatures.py judge           the same for requests of any one provider

A request has `source`, `secret`, `key` (what the receiver is given), `head` and `body`. What fails says so and fails the run; the exit status
says whether all held.
"""

import datetime
import json
import random
import string
import sys
import time

import discord_interactions
import nacl.signing
import slack_sdk.signature
import standardwebhooks
import stripe

BODIES = ['{"id":"1","type":1}', '{"id":"2","type":2,"text":"naïve – ключ – 🎴"}', '{"id":"3","type":3,"data":{}}\n', "x"]
SLACK = "8f742231b10e8888abcd99yyyzzz85a5"
STRIPE = "whsec_" + "5257a869e7ecebeda32affa62cdca3fa"
STANDARD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def request(source, secret, key, head, body):
    return {"source": source, "secret": secret, "key": key, "head": head, "body": body}


def by_slack(body):
    timestamp = str(int(time.time()))
    signature = slack_sdk.signature.SignatureVerifier(SLACK).generate_signature(timestamp=timestamp, body=body)
    return request("slack", SLACK, SLACK, {"X-Slack-Signature": signature, "X-Slack-Request-Timestamp": timestamp}, body)


def by_discord(body):
    """Discord's library only verifies; the keys and signatures are those of the library that it rests on."""
    private = nacl.signing.SigningKey.generate()
    timestamp = str(int(time.time()))
    signature = private.sign(timestamp.encode() + body.encode()).signature.hex()
    public = private.verify_key.encode().hex()
    head = {"X-Signature-Ed25519": signature, "X-Signature-Timestamp": timestamp}
    return request("discord", private.encode().hex(), public, head, body)


def by_stripe(body):
    header = stripe.WebhookSignature.generate_signature_header(body, STRIPE)
    return request("stripe", STRIPE, STRIPE, {"Stripe-Signature": header}, body)


def by_standard_webhooks(body):
    # The library takes its time for UTC, whatever zone it is said to be in.
    now = datetime.datetime.now(tz=datetime.timezone.utc)
    message = "msg_" + "".join(random.choices(string.ascii_letters, k=24))
    signature = standardwebhooks.Webhook(STANDARD).sign(message, now, body)
    head = {"webhook-id": message, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}
    return request("standard_webhooks", STANDARD, STANDARD, head, body)


def believed(source, key, head, body):
    """Whether the provider's own library believes a request. Names of headers are in lower case."""
    try:
        if source == "slack":
            return slack_sdk.signature.SignatureVerifier(key).is_valid_request(body, head)
        if source == "discord":
            signature, timestamp = head["x-signature-ed25519"], head["x-signature-timestamp"]
            return discord_interactions.verify_key(body.encode(), signature, timestamp, key)
        if source == "stripe":
            return stripe.WebhookSignature.verify_header(body, head["stripe-signature"], key, 300)
        if source == "standard_webhooks":
            standardwebhooks.Webhook(key).verify(body, head, json_parse=False)
            return True
    except (stripe.SignatureVerificationError, standardwebhooks.WebhookVerificationError):
        return False
    raise AssertionError(f"nobody judges {source!r}")


def sign():
    for body in BODIES:
        for signed_by in (by_slack, by_discord, by_stripe, by_standard_webhooks):
            print(json.dumps(signed_by(body)), flush=True)


def verify():
    judged = judge()
    assert len(judged) == 4, judged


def judge():
    judged = {}
    for line in sys.stdin:
        one = json.loads(line)
        source, key, head, body = one["source"], one["key"], one["head"], one["body"]
        assert believed(source, key, head, body), f"{source} does not believe {one}"
        assert not believed(source, key, head, body + " "), f"{source} believes a changed body"
        judged[source] = judged.get(source, 0) + 1
    assert judged, "there was nothing to judge"
    print("all held", judged, flush=True)
    return judged


if __name__ == "__main__":
    {"sign": sign, "verify": verify, "judge": judge}[sys.argv[1]]()
