#!/bin/sh
# The whole recipe. A stage that is done is skipped, one that was interrupted goes on from its last saved state.
#   run_all.sh [WORK_FOLDER]        default: build/tiny below the current folder; the models end up in WORK_FOLDER/models
set -eu
work=${1:-build/tiny}
mkdir -p "$work"
work=$(cd "$work" && pwd)
cd "$(dirname "$0")"

# One thread per process: with two, OpenBLAS and PyTorch's own threads get in each other's way on small matrices.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
# Keep freed memory: giving it back and faulting it in again costs more than the arithmetic of small models.
export MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_TOP_PAD_=134217728

stage() { python3 "$@" --work "$work"; }

python3 make_sentences.py
stage make_audio.py --processes 2
stage train_recogniser.py --stage a &   # neither needs the other
recogniser=$!
stage train_codec.py
wait "$recogniser"
stage encode.py --processes 2
stage train_recogniser.py --stage b --processes 2
mkdir -p "$work/whisper" "$work/models"
cp "$work/recogniser_b/model/"* "$work/whisper/"
stage align.py
stage train_policy.py --processes 2
for model in policy xcodec2 whisper; do
  mkdir -p "$work/models/$model"
  cp "$work/$model/"* "$work/models/$model/"
done
stage evaluate.py --models "$work/models" --processes 2
