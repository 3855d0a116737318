"""Invokes functions as CVAT's `lambda_manager` does, with the same HTTP library, headers and time-out: one JSON document a line.

Reads `{"function", "payload"}` and writes `{"response"}` or `{"error"}`, the text that an annotator gets. The first line of the output
is the list of functions. Environment: CVAT_NUCLIO_HOST, CVAT_NUCLIO_PORT, and NETRC for a server with keys.
"""

import json
import os
import sys

import requests

TIMEOUT = 120
GATEWAY = f"http://{os.environ['CVAT_NUCLIO_HOST']}:{os.environ['CVAT_NUCLIO_PORT']}"


def ask(method, path, headers=None, data=None):
    extra = {
        "x-nuclio-project-name": "cvat",
        "x-nuclio-function-namespace": "nuclio",
        "x-nuclio-invoke-via": "domain-name",
        "X-Nuclio-Invoke-Timeout": f"{TIMEOUT}s",
        **(headers or {}),
    }
    with requests.Session() as session:
        reply = session.request(method, GATEWAY + path, headers=extra, timeout=TIMEOUT, json=data)
        reply.raise_for_status()
        return reply.json()


def answer(*request):
    try:
        return {"response": ask(*request)}
    except requests.RequestException as error:
        return {"error": str(error)}


def invoke(function, payload):
    """CVAT describes a function before each invocation."""
    described = answer("get", f"/api/functions/{function}")
    if "error" in described:
        return described
    headers = {"x-nuclio-function-name": function, "x-nuclio-path": "/"}
    return answer("post", "/api/function_invocations", headers, payload)


print(json.dumps(answer("get", "/api/functions")), flush=True)
for line in sys.stdin:
    print(json.dumps(invoke(**json.loads(line))), flush=True)
