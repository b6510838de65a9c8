# Two commands on a machine with Python 3.10 to 3.13 and make:
#   make demo   fuse the head phantom, or REFERENCE=a.nrrd MOVING=b.nrrd
#   make test   run all tests
# And for whoever works on it:
#   make check  look for faults in style, types and security without running anything
#   make audit  ask on the internet for known vulnerabilities of what is installed
# Each makes .venv and installs what requirements/ lists, once.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
REFERENCE ?=
MOVING ?=
OUT ?= demo-results

.PHONY: demo test check audit clean

demo: $(VENV)/run.installed
	@PYTHONPATH=AMIFusion $(RUN) -m AMIFusionLib.cli demo --out "$(OUT)" \
		$(if $(REFERENCE),--reference "$(REFERENCE)") $(if $(MOVING),--moving "$(MOVING)")

test: $(VENV)/test.installed
	$(RUN) -m pytest

check: $(VENV)/check.installed
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(RUN) -m bandit --quiet --recursive --configfile pyproject.toml AMIFusion/AMIFusion.py AMIFusion/AMIFusionLib

# --strict, because without it pip-audit calls packages that it cannot look up free of known vulnerabilities.
audit: $(VENV)/audit.installed
	@$(RUN) -m pip_audit --strict --disable-pip --no-deps --progress-spinner off \
		-r requirements/run.txt -r requirements/test.txt \
		|| { echo "make audit: if no vulnerability is named above, nothing was audited: it needs the internet." >&2; exit 1; }

$(VENV)/check.installed: requirements/test.txt

$(VENV)/%.installed: requirements/%.txt requirements/run.txt | $(VENV)/bin/python
	$(RUN) -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON): make PYTHON=... names another." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "AMIFusion needs Python 3.10 to 3.13: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

clean:
	rm -rf $(VENV) demo-results
