#!/usr/bin/env python3
"""Starts a sync of an Outflow daemon and waits until its run has ended. Python's own library alone.

    OUTFLOW_URL=http://127.0.0.1:8321 OUTFLOW_TOKEN=… outflow_trigger.py SYNC… [--key KEY] [--attempt N]
                                                                         [--timeout SECONDS] [--fail-on-rejects]

A call that is repeated with the same key follows the run it started before, for a day, also over a restart of the
daemon. So whoever calls may be stopped and started again at any time without starting a second run. Attempt 2 follows the
run of attempt 1, and starts another only if that one has failed; and so on.
"""

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

# How long one call waits for the run; the daemon answers 202 when it goes on.
PATIENCE_SECONDS = 60
# Between two calls when the daemon cannot be reached or is restarting.
PAUSE_SECONDS = 5
# Runs that did what they could do.
DONE = ("ok", "rejects")


class RunFailed(Exception):
    """The run ended otherwise than well; or the daemon refuses the call."""


def _call(url: str, token: str, sync: str, key: str, wait: float) -> dict:
    path = f"{url.rstrip('/')}/api/v1/syncs/{urllib.parse.quote(sync, safe='')}/trigger?wait={int(wait)}s"
    request = urllib.request.Request(path, method="POST", headers={"Idempotency-Key": key})
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=wait + 30) as answer:
        return json.load(answer)


def _refusal(error: urllib.error.HTTPError) -> str:
    try:
        reason = json.load(error)["error"]
        return f"{reason['message']} ({reason['code']})"
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error.code}"


def _follow(url: str, token: str, sync: str, key: str, deadline: float) -> dict:
    """The run of this key once it has ended; the first call starts it."""
    reason = "it has not ended"
    while (left := deadline - time.monotonic()) > 0:
        try:
            run = _call(url, token, sync, key, max(1, min(PATIENCE_SECONDS, left)))
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise RunFailed(f"sync {sync}: {_refusal(error)}") from None
            reason = _refusal(error)
        except OSError as error:
            # It may have taken the call: the key keeps it from taking it twice.
            reason = str(error)
        else:
            if run["status"] not in ("queued", "running"):
                return run
            continue
        time.sleep(min(PAUSE_SECONDS, max(0, deadline - time.monotonic())))
    raise TimeoutError(f"sync {sync}: {reason} in time; the same key and attempt follow it: {key}")


def trigger(url: str, token: str, sync: str, key: str, attempt: int = 1, timeout: float = 3600,
            fail_on_rejects: bool = False) -> dict:
    """Starts the sync under this key, or follows the run the key started, until it has ended.

    Gives the API's document: `status`, `run_id` and, for a run of this daemon's life, `result` with its ledger.
    Raises RunFailed when the run failed, was stopped by a guard, deferred or dropped, or the daemon refuses the call,
    and TimeoutError when it has not ended after `timeout` seconds: it goes on then, and can still be followed.
    """
    deadline = time.monotonic() + timeout
    run = {}
    for number in range(1, attempt + 1):
        run = _follow(url, token, sync, f"{key}#{number}", deadline)
        if run["status"] in DONE and not (fail_on_rejects and run["status"] == "rejects"):
            return run
    error = (run.get("result") or {}).get("error") or {}
    why = f": {error['message']} ({error['code']})" if error else ""
    raise RunFailed(f"sync {sync}, run {run.get('run_id')}: {run['status']}{why}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("syncs", metavar="SYNC", nargs="+")
    parser.add_argument("--key", help="what the run is known by; the same one never starts a second run")
    parser.add_argument("--attempt", type=int, default=1, metavar="N", help="2 after a failure, and so on [default: 1]")
    parser.add_argument("--timeout", type=float, default=3600, metavar="SECONDS")
    parser.add_argument("--fail-on-rejects", action="store_true")
    options = parser.parse_args()
    url = os.environ.get("OUTFLOW_URL", "http://127.0.0.1:8321")
    token = os.environ.get("OUTFLOW_TOKEN", "")
    key = options.key or str(uuid.uuid4())
    failed = 0
    for sync in options.syncs:
        try:
            # One key for one sync: the daemon refuses it for another.
            run = trigger(url, token, sync, f"{key}/{sync}", options.attempt, options.timeout, options.fail_on_rejects)
        except (RunFailed, TimeoutError) as error:
            print(error, file=sys.stderr)
            failed = 1
        else:
            print(json.dumps(run))
    return failed


if __name__ == "__main__":
    sys.exit(main())
