"""Times the stages of a mid-sized random FLUX.2 in diffusers and in this crate, taking turns in one run.

    cargo bench -p rondel-models --bench stages --no-run     # prints the path of the program
    python compare_with_diffusers.py PATH_OF_THE_PROGRAM [--rounds 7] [--threads 2]

Needs torch, diffusers 0.42 and transformers. The model is made at random in a temporary folder, in float32; both sides
load the same files and compute the same stages on the same shapes. Per stage the medians and their ratio are printed
(above 1: this crate is slower), so that a busy machine disturbs both alike.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

TOKENIZER = Path(__file__).resolve().parents[3] / "tests/golden/klein/model/tokenizer"
PROMPT = "a photo of a red fox jumping over a fence"
SIDE_PX = 512
TEXT_TOKENS = 512
STAGES = ("text", "step", "decode", "encode")


def make_model(folder: Path) -> None:
    """Writes a random model in the diffusers layout: about 0.4 billion parameters."""
    import torch
    from diffusers import AutoencoderKLFlux2, FlowMatchEulerDiscreteScheduler, Flux2Transformer2DModel
    from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(TOKENIZER)
    text = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer), hidden_size=768, intermediate_size=2304, num_hidden_layers=28,
            num_attention_heads=12, num_key_value_heads=4, head_dim=64, tie_word_embeddings=True,
        )
    )
    transformer = Flux2Transformer2DModel(
        in_channels=128, num_layers=4, num_single_layers=8, attention_head_dim=128, num_attention_heads=8,
        joint_attention_dim=3 * 768, timestep_guidance_channels=256, mlp_ratio=3.0, axes_dims_rope=(32, 32, 32, 32),
        rope_theta=2000, guidance_embeds=False,
    )
    vae = AutoencoderKLFlux2(block_out_channels=(64, 128, 256, 256), latent_channels=32, norm_num_groups=32)
    scheduler = FlowMatchEulerDiscreteScheduler(
        num_train_timesteps=1000, shift=3.0, use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15,
        time_shift_type="exponential",
    )
    for part, name in ((text, "text_encoder"), (transformer, "transformer"), (vae, "vae"), (scheduler, "scheduler")):
        part.save_pretrained(folder / name)
    shutil.copytree(TOKENIZER, folder / "tokenizer")
    index = {"_class_name": "Flux2KleinPipeline", "_diffusers_version": "0.42.1", "is_distilled": True}
    for name, kind in (
        ("scheduler", ("diffusers", "FlowMatchEulerDiscreteScheduler")),
        ("text_encoder", ("transformers", "Qwen3ForCausalLM")),
        ("tokenizer", ("transformers", "Qwen2Tokenizer")),
        ("transformer", ("diffusers", "Flux2Transformer2DModel")),
        ("vae", ("diffusers", "AutoencoderKLFlux2")),
    ):
        index[name] = kind
    (folder / "model_index.json").write_text(json.dumps(index))


class Reference:
    """The stages in diffusers."""

    def __init__(self, folder: Path, threads: int) -> None:
        import torch
        from diffusers import Flux2KleinPipeline

        torch.set_num_threads(threads)
        self.torch = torch
        self.pipe = Flux2KleinPipeline.from_pretrained(folder, torch_dtype=torch.float32)
        cells = SIDE_PX // 16
        self.latent = torch.randn(1, cells * cells, 128)
        self.text = torch.randn(1, TEXT_TOKENS, 3 * 768)
        rows, columns = torch.meshgrid(torch.arange(cells), torch.arange(cells), indexing="ij")
        zeros = torch.zeros(cells * cells)
        self.image_ids = torch.stack([zeros, rows.flatten(), columns.flatten(), zeros], dim=1)[None]
        numbers = torch.arange(TEXT_TOKENS)
        self.text_ids = torch.stack([numbers * 0, numbers * 0, numbers * 0, numbers], dim=1)[None]
        self.picture = torch.rand(1, 3, SIDE_PX, SIDE_PX) * 2 - 1
        self.unfolded = torch.randn(1, 32, SIDE_PX // 8, SIDE_PX // 8)

    def run(self, stage: str) -> None:
        with self.torch.no_grad():
            if stage == "text":
                self.pipe.encode_prompt(PROMPT, device="cpu", max_sequence_length=TEXT_TOKENS)
            elif stage == "step":
                self.pipe.transformer(
                    hidden_states=self.latent, encoder_hidden_states=self.text, timestep=self.torch.tensor([0.7]),
                    img_ids=self.image_ids, txt_ids=self.text_ids, guidance=None, return_dict=False,
                )
            elif stage == "decode":
                self.pipe.vae.decode(self.unfolded, return_dict=False)
            else:
                self.pipe.vae.encode(self.picture, return_dict=False)


class Ours:
    """The program beside it, which runs a stage for each line that it is sent and answers with its milliseconds."""

    def __init__(self, program: str, folder: Path, threads: int) -> None:
        environment = {**os.environ, "RAYON_NUM_THREADS": str(threads), "CANDLE_NUM_THREADS": str(threads)}
        command = [program, str(folder), str(SIDE_PX), str(TEXT_TOKENS)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)

    def ms(self, stage: str) -> float:
        self.process.stdin.write(stage + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_model(folder)
        reference = Reference(folder, options.threads)
        ours = Ours(options.program, folder, options.threads)
        times = {stage: ([], []) for stage in STAGES}
        # The first round reads weights and is not counted.
        for round_idx in range(options.rounds + 1):
            for stage in STAGES:
                began = time.perf_counter()
                reference.run(stage)
                theirs_ms = (time.perf_counter() - began) * 1000
                ours_ms = ours.ms(stage)
                if round_idx:
                    times[stage][0].append(theirs_ms)
                    times[stage][1].append(ours_ms)
        print(f"{'stage':8} {'diffusers':>12} {'rondel':>12} {'ratio':>8}")
        for stage, (theirs, mine) in times.items():
            theirs_ms, ours_ms = statistics.median(theirs), statistics.median(mine)
            print(f"{stage:8} {theirs_ms:9.1f} ms {ours_ms:9.1f} ms {ours_ms / theirs_ms:8.2f}")


if __name__ == "__main__":
    main()
