"""Drives each stand-in for a provider with that provider's own client, to a finished generation and a finished edit.

What comes back must be the very file that the server drew for this prompt, in the size that was asked for, and drawn from the
references that were sent. Addresses and keys are in the environment, as `providers` prints them.
"""

import base64
import contextlib
import importlib.metadata
import io
import json
import os
import struct
import sys
import urllib.request
import zlib
from typing import Optional

import fal_client
import fal_client.client
import openai
import replicate
import together
from blackforest import BFLClient
from blackforest.types.general.client_config import ClientConfig
from pydantic import BaseModel

ADMIN = os.environ["TESTKIT_ADMIN"]
SIZE = (768, 512)
RED, BLUE = (250, 0, 0), (0, 0, 250)


def png(colour, width=640, height=512):
    """A PNG of one colour."""
    rows = b"".join(b"\0" + bytes(colour) * width for _ in range(height))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def fetch(url):
    request = urllib.request.Request(url, headers={"user-agent": "clients"})
    with urllib.request.urlopen(request) as reply:
        return reply.read()


def check(provider, prompt, picture, references=0, size=SIZE):
    """Fails unless the picture is what the server drew for this prompt."""
    drawn = json.loads(fetch(f"{ADMIN}/drawn"))
    fitting = [i for i, of in enumerate(drawn) if (of["provider"], of["prompt"]) == (provider, prompt)]
    assert fitting, "nothing was drawn for this prompt"
    last = drawn[fitting[-1]]
    assert fetch(f"{ADMIN}/drawn/{fitting[-1]}") == picture, "these are other bytes than were drawn"
    assert picture.startswith(b"\x89PNG"), "this is no PNG"
    assert struct.unpack(">II", picture[16:24]) == size, f"this is {struct.unpack('>II', picture[16:24])}"
    assert last["references"] == references, f"it was drawn from {last['references']} references"


def fal():
    # Its addresses are constants.
    fal_client.client.QUEUE_URL_FORMAT = os.environ["TESTKIT_FAL_QUEUE"] + "/"
    fal_client.client.RUN_URL_FORMAT = os.environ["TESTKIT_FAL_RUN"] + "/"
    fal_client.client.REST_URL = os.environ["TESTKIT_FAL_REST"]
    fal_client.client.CDN_URL = os.environ["TESTKIT_FILES"]
    client = fal_client.SyncClient(key=os.environ["FAL_KEY"])
    size = {"width": SIZE[0], "height": SIZE[1]}

    states = []
    result = client.subscribe(
        "fal-ai/flux-2",
        {"prompt": "python fal", "image_size": size, "seed": 7},
        with_logs=True,
        on_queue_update=lambda state: states.append(type(state).__name__),
    )
    assert states == ["Queued", "InProgress", "Completed"], states
    assert result["seed"] == 7
    check("fal", "python fal", fetch(result["images"][0]["url"]))

    urls = [client.upload(png(RED), "image/png"), fal_client.encode(png(BLUE), "image/png")]
    result = client.run("fal-ai/flux-2/edit", {"prompt": "python fal edit", "image_size": size, "image_urls": urls})
    check("fal", "python fal edit", fetch(result["images"][0]["url"]), references=2)

    handle = client.submit("fal-ai/flux-2", {"prompt": "python fal cancelled"})
    handle.cancel()
    try:
        handle.get()
    except fal_client.FalClientHTTPError as error:
        assert error.status_code == 499, error
    else:
        raise AssertionError("what was called off has a result")


def of_replicate():
    client = replicate.Client(api_token=os.environ["REPLICATE_API_TOKEN"], base_url=os.environ["TESTKIT_REPLICATE"])
    model = "black-forest-labs/flux-2-dev"
    size = {"aspect_ratio": "custom", "width": SIZE[0], "height": SIZE[1]}
    given = {"prompt": "python replicate", "seed": 7, "go_fast": False, "output_format": "png", **size}
    output = client.run(model, input=given)
    check("replicate", "python replicate", fetch(str(output)))

    prediction = client.predictions.create(model=model, input={**given, "prompt": "python replicate polled"})
    prediction.wait()
    assert prediction.status == "succeeded", prediction
    check("replicate", "python replicate polled", fetch(prediction.output))

    images = [io.BytesIO(png(RED)), io.BytesIO(png(BLUE))]
    given = {"prompt": "python replicate edit", "input_images": images, "output_format": "png", "aspect_ratio": "3:2"}
    output = client.run(model, input=given)
    check("replicate", "python replicate edit", fetch(str(output)), references=2, size=(1216, 832))

    prediction = client.predictions.create(model=model, input={"prompt": "python replicate cancelled"})
    prediction.cancel()
    prediction.reload()
    assert prediction.status == "canceled", prediction


def lumenfall():
    client = openai.OpenAI(
        api_key=os.environ["LUMENFALL_API_KEY"], base_url=f"{os.environ['TESTKIT_LUMENFALL']}/openai/v1"
    )
    size = f"{SIZE[0]}x{SIZE[1]}"
    made = client.images.generate(
        model="flux.2-dev", prompt="python lumenfall", size=size, n=2, response_format="b64_json", extra_body={"seed": 7}
    )
    assert len(made.data) == 2
    check("lumenfall", "python lumenfall", base64.b64decode(made.data[1].b64_json))

    files = [("a.png", png(RED)), ("b.png", png(BLUE))]
    made = client.images.edit(model="flux.2-dev", prompt="python lumenfall edit", image=files, size=size)
    check("lumenfall", "python lumenfall edit", fetch(made.data[0].url), references=2)

    try:
        client.images.generate(model="flux.3", prompt="python lumenfall")
    except openai.NotFoundError as error:
        assert error.code == "MODEL_NOT_FOUND", error
    else:
        raise AssertionError("there is no such model")


def of_openai():
    client = openai.OpenAI(api_key=os.environ["OPENAI_API_KEY"], base_url=f"{os.environ['TESTKIT_OPENAI']}/v1")
    size = f"{SIZE[0]}x{SIZE[1]}"
    made = client.images.generate(model="gpt-image-2", prompt="python openai", size=size)
    check("openai", "python openai", base64.b64decode(made.data[0].b64_json))

    file = ("a.png", png(RED))
    made = client.images.edit(model="gpt-image-2", prompt="python openai edit", image=file, size=size)
    check("openai", "python openai edit", base64.b64decode(made.data[0].b64_json), references=1)

    events = client.images.generate(
        model="gpt-image-2", prompt="python openai stream", size=size, stream=True, partial_images=2
    )
    events = list(events)
    assert [event.type.split(".")[1] for event in events] == ["partial_image", "partial_image", "completed"]
    check("openai", "python openai stream", base64.b64decode(events[-1].b64_json))

    try:
        client.images.generate(model="gpt-image-2", prompt="python openai [[submit refused]]")
    except openai.BadRequestError as error:
        assert error.code == "moderation_blocked", error
    else:
        raise AssertionError("it was to be refused")


def bfl():
    class Flux2(BaseModel):
        """What the client does not know of yet."""

        prompt: str
        width: int
        height: int
        seed: Optional[int] = None
        output_format: str = "png"
        input_image: Optional[str] = None
        input_image_2: Optional[str] = None

    client = BFLClient(api_key=os.environ["BFL_API_KEY"], base_url=os.environ["TESTKIT_BFL"])
    client.model_input_registry["flux-2-pro"] = Flux2
    config = ClientConfig(sync=True, polling_interval=0.1)
    given = {"width": SIZE[0], "height": SIZE[1], "seed": 7}
    # It talks while it waits.
    with contextlib.redirect_stdout(io.StringIO()):
        made = client.generate("flux-2-pro", {"prompt": "python bfl", **given}, config)
    check("bfl", "python bfl", fetch(made.result["sample"]))

    images = {"input_image": base64.b64encode(png(RED)).decode(), "input_image_2": base64.b64encode(png(BLUE)).decode()}
    with contextlib.redirect_stdout(io.StringIO()):
        made = client.generate("flux-2-pro", {"prompt": "python bfl edit", **given, **images}, config)
    check("bfl", "python bfl edit", fetch(made.result["sample"]), references=2)


def of_together():
    client = together.Together(api_key=os.environ["TOGETHER_API_KEY"], base_url=os.environ["TESTKIT_TOGETHER"])
    given = {"model": "black-forest-labs/FLUX.2-dev", "width": SIZE[0], "height": SIZE[1], "output_format": "png"}
    made = client.images.generate(prompt="python together", seed=7, response_format="base64", **given)
    check("together", "python together", base64.b64decode(made.data[0].b64_json))

    urls = [f"data:image/png;base64,{base64.b64encode(png(colour)).decode()}" for colour in (RED, BLUE)]
    made = client.images.generate(prompt="python together edit", extra_body={"reference_images": urls}, **given)
    check("together", "python together edit", fetch(made.data[0].url), references=2)


def main():
    n_failed = 0
    cases = [
        ("fal", "fal_client", fal),
        ("replicate", "replicate", of_replicate),
        ("lumenfall", "openai", lumenfall),
        ("openai", "openai", of_openai),
        ("bfl", "blackforest", bfl),
        ("together", "together", of_together),
    ]
    for provider, client, case in cases:
        name = f"{provider} by {client} {importlib.metadata.version(client)} for Python"
        try:
            case()
            print(f"ok      {name}")
        except Exception as error:  # Whatever a client makes of an answer that it cannot use.
            n_failed += 1
            print(f"failed  {name}: {error!r}")
    print(f"{len(cases) - n_failed} passed, {n_failed} failed")
    sys.exit(n_failed > 0)


main()
