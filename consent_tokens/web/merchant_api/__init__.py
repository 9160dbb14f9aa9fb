"""The merchant API, `/v1`: each view parses the request, calls one service and renders the result.

The decorators of `blueprint` parse, render and describe by the same schemas: `schemas` of what
merchants send, `answers` of what they receive, `message_schemas` of messages and batches.
"""
