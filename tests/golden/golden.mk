# The wire bytes against an implementation that is not ours. Included by tests/tests.mk; our side is tests/unit/test_golden.c.

CHECK_EXTRA += golden

.PHONY: golden
golden:
	@$(call run_test,golden) /usr/bin/python3 tests/golden/check_golden.py tests/golden/golden.txt proto/PROTOCOL.md
