# Two commands on a machine with Python 3.10 to 3.13 and make:
#   make demo   fuse the head phantom, or REFERENCE=a.nrrd MOVING=b.nrrd
#   make test   run all tests
# Each makes .venv and installs what requirements/ lists, once.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
REFERENCE ?=
MOVING ?=
OUT ?= demo-results

.PHONY: demo test clean

demo: $(VENV)/run.installed
	@PYTHONPATH=AMIFusion $(RUN) -m AMIFusionLib.cli demo --out "$(OUT)" \
		$(if $(REFERENCE),--reference "$(REFERENCE)") $(if $(MOVING),--moving "$(MOVING)")

test: $(VENV)/test.installed
	$(RUN) -m pytest

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
