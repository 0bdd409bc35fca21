# make demo   the operator console on simulated calls (ARGS=--plain: one call, told line by line)
# make test   run the tests
# make synth  the templates for AWS; make deploy: them, to your account (DEPLOYMENT=mine.toml, see docs/how-to/deploy-to-aws.md)
# All do all their set-up; only python3 has to be there.

PYTHON ?= python3
VENV ?= .venv
export PYTHON VENV DEPLOYMENT
BIN := $(VENV)/bin

.PHONY: demo test check setup format clean synth deploy

demo: $(VENV)/.runtime
	@$(BIN)/frontdesk demo $(ARGS)

test: $(VENV)/.dev
	@scripts/servers
	@scripts/test $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

setup: $(VENV)/.runtime

synth:
	@scripts/build-lambda
	@infra/cdk synth --quiet $(STACKS)

deploy:
	@scripts/build-lambda
	@infra/cdk deploy $(or $(STACKS),--all) $(ARGS)

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .venv-emulator .venv-infra build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

# What is in the development lock is in the runtime lock too, so a development set-up serves both.
$(VENV)/.runtime: requirements.lock pyproject.toml scripts/bootstrap scripts/make-venv
	@test -e $(VENV)/.dev || scripts/bootstrap requirements.lock
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml scripts/bootstrap scripts/make-venv
	@scripts/bootstrap requirements-dev.lock
	@touch $@ $(VENV)/.runtime
