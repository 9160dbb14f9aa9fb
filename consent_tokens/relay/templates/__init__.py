"""Templates: reviewed texts with typed, bounded variables, each of one purpose. Pure.

`template` has the values; `grammar` what a value of each type may be; `links` what a link may be;
`fill` makes the text of a message; `check` says what is wrong with a submitted template; `marks`
what a reviewer should look at; `fingerprint` knows a text again; `preview` shows the longest text.
"""
