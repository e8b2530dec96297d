# Each target does its own set-up in .venv and is safe to repeat.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := runs/quickstart
MINI := panet_tf/data/nuclei_mini
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: quickstart test lint clean

quickstart: $(VENV)/.installed  ## Trains, evaluates, exports, serves and draws on the embedded images; under 10 minutes on 2 cores.
	@echo "[1/5] Training a PANet on 60 microscopy images (about 4 minutes; run again to continue if interrupted)"
	$(BIN)/python scripts/train.py --gin_file quickstart.gin --model_dir $(RUN)
	@echo "[2/5] Evaluating on the 20 held-out images with COCO metrics"
	$(BIN)/python scripts/evaluate.py --gin_file quickstart.gin --model $(RUN)/model.keras --output $(RUN)/evaluation.json
	@echo "[3/5] Exporting a SavedModel"
	$(BIN)/python scripts/export.py --model $(RUN)/model.keras --output $(RUN)/saved_model
	@echo "[4/5] Serving one prediction from the SavedModel, in a process that imports tensorflow only"
	$(BIN)/python scripts/serve_once.py --saved_model $(RUN)/saved_model --image $$(ls $(MINI)/val/*.png | head -n 1) --output $(RUN)/served
	@echo "[5/5] Drawing predictions for the held-out images"
	$(BIN)/python scripts/predict.py --model $(RUN)/model.keras --output $(RUN)/predictions --annotations $(MINI)/instances_val.json $(MINI)/val
	@echo
	@echo "Done. In $(RUN):"
	@echo "  evaluation.json         COCO box and mask AP on the held-out images"
	@echo "  model.keras             the trained model: keras.saving.load_model after import panet_tf"
	@echo "  saved_model/            for TF Serving"
	@echo "  served/prediction.png   what the SavedModel answered for one image"
	@echo "  predictions/            every held-out image with its predictions beside the truth, and results in COCO's format"
	@echo "  history.csv             losses and AP of training; logs/ holds them for TensorBoard (pip install tensorboard)"

test: $(VENV)/.installed  ## Runs the test suite.
	$(BIN)/python -m pytest -n 2 --dist loadfile -q

lint: $(VENV)/.installed
	$(BIN)/ruff check .

clean:
	rm -rf $(VENV) runs build dist *.egg-info

$(VENV)/.installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@echo "Installing tensorflow, keras and the rest into $(VENV) (about a minute)"
	$(BIN)/python -m pip install --quiet --editable ".[tests]"
	@touch $@
