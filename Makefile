# Two commands on a machine with Python 3.10 to 3.13 and make:
#   make demo   fuse the head phantom, or REFERENCE=a.nrrd MOVING=b.nrrd
#   make test   run all tests
# And for whoever works on it:
#   make check  look for faults in style, types and security without running anything, and then audit
#   make audit  ask on the internet for known vulnerabilities of what is installed
#   make docs   render docs/ as a website into build/docs
# Each makes .venv and installs what requirements/ lists, once.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
REFERENCE ?=
MOVING ?=
OUT ?= demo-results
UNREACHABLE ?= fail
MERMAID := 11.12.0

.PHONY: demo test check docs audit clean

demo: $(VENV)/run.installed
	@PYTHONPATH=AMIFusion $(RUN) -m AMIFusionLib.cli demo --overwrite --out "$(OUT)" \
		$(if $(REFERENCE),--reference "$(REFERENCE)") $(if $(MOVING),--moving "$(MOVING)")

test: $(VENV)/test.installed
	$(RUN) -m pytest

check: $(VENV)/check.installed
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(RUN) -m bandit --quiet --recursive --configfile pyproject.toml AMIFusion/AMIFusion.py AMIFusion/AMIFusionLib
# A machine without the internet says nothing of known vulnerabilities, which must not hide what was found above.
	@if $(MAKE) --no-print-directory $(VENV)/audit.installed; \
		then $(MAKE) --no-print-directory audit UNREACHABLE=pass; \
		else echo "NOT AUDITED: pip-audit cannot be installed here, so nobody was asked." >&2; fi

# Without --quiet, which would silence the warnings that --strict counts.
docs: $(VENV)/docs.installed docs/mermaid.min.js
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict

# The script of the diagram, so that readers' browsers need not fetch it from elsewhere; without it Material does.
docs/mermaid.min.js:
	@mkdir -p build/mermaid && cd build/mermaid && npm pack --silent mermaid@$(MERMAID) >/dev/null 2>&1 \
		&& tar xzf mermaid-$(MERMAID).tgz package/dist/mermaid.min.js && mv package/dist/mermaid.min.js ../../docs/ \
		|| echo "make docs: npm did not give mermaid, so that browsers will fetch it for the architecture page." >&2

# Packages that cannot be looked up fail it too, unless with UNREACHABLE=pass: they are not known to be free of any.
audit: $(VENV)/audit.installed
	@$(RUN) .ci/audit.py $(addprefix requirements/,run.txt check.txt docs.txt audit.txt) --unreachable=$(UNREACHABLE)

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
	rm -rf $(VENV) demo-results build docs/mermaid.min.js
