/* rondel.h: the boundary between Rondel and its plugins.
 *
 * A plugin is a shared object that exports one symbol, `rondel_entry_<library name>`, a `rondel_entry`.
 * `libglow.so` exports `rondel_entry_glow`; `-` in a name is written `_`. Through the entry the host gets a
 * factory of node kinds; each kind is a specification in JSON and one function, `run`, from values to values.
 *
 * Reading rules
 *   - Every struct begins with its size and only ever grows at its end. Use a field only if `struct_size` says
 *     that it is there. A null function pointer means "not offered".
 *   - [any]  may be called from any thread, also concurrently.
 *     [init] only inside init().
 *     [run]  only inside run(), on the thread that entered it or on threads that it joins.
 *   - Nobody unwinds (C++ exceptions, Rust panics, longjmp) across any of these functions.
 *
 * Ownership, in four sentences
 *   1. Nobody frees the other side's memory.
 *   2. What is passed in is borrowed until the call returns; who wants to keep text copies it, who wants to keep
 *      a bundle retains it.
 *   3. A bundle is immutable and atomically counted; its maker's `release` runs when the count reaches zero, on
 *      whatever thread that happens.
 *   4. Entries, factories, nodes and specifications belong to the plugin and live until deinit() returns.
 *
 * There are no owned strings or error objects in flight: outputs and errors are calls into the host, which
 * copies on the spot.
 */
#ifndef RONDEL_H
#define RONDEL_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The host loads entries of its own major; a higher minor only adds. */
#define RONDEL_ABI_MAJOR 1
#define RONDEL_ABI_MINOR 2

/* Borrowed UTF-8, not terminated. Valid while the call that passed it runs. Null with length 0 is empty. */
typedef struct rondel_str {
    const char *ptr;
    uint64_t len;
} rondel_str;

/* How a call ended. Anything but RONDEL_OK after `fail` was called with the reason. */
typedef int32_t rondel_status;
enum {
    RONDEL_OK = 0,
    RONDEL_FAILED = 1,        /* the step failed and would fail again */
    RONDEL_INVALID_INPUT = 2, /* one input is at fault; `fail` names it */
    RONDEL_TRANSIENT = 3,     /* trying again later may help */
    RONDEL_CANCELLED = 4,     /* stopped because `cancelled` said so */
    RONDEL_OUT_OF_MEMORY = 5,
    RONDEL_UNSUPPORTED = 6,   /* this build or machine cannot do it */
    RONDEL_PANICKED = 7,      /* a bug in the plugin, fenced */
    RONDEL_NEEDS_INPUT = 8    /* a lazy input is wanted first */
};

/* ---- data ---- */

/* One tensor of a bundle. dtype and device use DLPack's codes (dtype_code: 0 int, 1 uint, 2 float, 4 bfloat,
 * 6 bool; device_type 1 is host memory). Memory belongs to the bundle. The elements begin `byte_offset` bytes after
 * `data` and take `byte_len`; what comes from the host is contiguous in host memory. */
typedef struct rondel_tensor {
    rondel_str name;
    uint8_t dtype_code, dtype_bits;
    uint16_t dtype_lanes;
    int32_t device_type, device_id, ndim;
    const int64_t *shape;   /* ndim entries */
    const int64_t *strides; /* in elements; null = contiguous, row-major */
    void *data;
    uint64_t byte_offset, byte_len;
} rondel_tensor;

/* Named tensors plus a little text: the one shape of every large value. Immutable and counted; whoever keeps it
 * past a call retains it. */
typedef struct rondel_bundle rondel_bundle;
struct rondel_bundle {
    uint32_t struct_size, reserved;
    void (*retain)(const rondel_bundle *);  /* [any] */
    void (*release)(const rondel_bundle *); /* [any] frees at zero, with its maker's allocator */
    void *maker_data;
    /* -- up to here the layout holds for every future major: anyone can always let go -- */
    rondel_str kind;      /* "Image", "Latent", "Conditioning", "Mask", "Tensor"; see below */
    rondel_str meta_json; /* an object of strings */
    const rondel_tensor *tensors;
    uint64_t n_tensors; /* sorted by name */
    /* [any] Copies the elements of tensor number `tensor` to host memory, row by row. `len` is exactly what they take so;
     * anything else is RONDEL_INVALID_INPUT. May be null if all tensors are contiguous in host memory. */
    rondel_status (*read)(const rondel_bundle *, uint64_t tensor, void *dst, uint64_t len);
    const void *native_tag, *native; /* a shortcut within one linked image; everyone else ignores it */
};

/* What a bundle of each kind holds; the host refuses an output that lacks it. More tensors may be there, and are kept.
 *
 *   Image         `pixels`, uint 8 or float 32, [height, width, channels]; 1, 3 or 4 channels: grey, RGB, RGBA. sRGB, alpha not
 *                 multiplied in; floats run from 0 to 1
 *   Mask          `mask`, float 32, [height, width], from 0 to 1: how much of each pixel is meant
 *   Latent        `latent`, [batch, channels, height, width]; meta "family", "width_px", "height_px": the picture's size
 *   Conditioning  `text`, [batch, tokens, width], and what else the family needs; meta "family"
 *   Tensor        whatever the kinds that pass it on have agreed on */

/* Which member of the union holds. A choice is RONDEL_TEXT, its name, or RONDEL_JSON if it carries values; a size
 * is RONDEL_PAIR (width, height); a model and a saved file are RONDEL_JSON; a duration is RONDEL_INT nanoseconds. */
enum {
    RONDEL_NONE,
    RONDEL_BOOL,
    RONDEL_INT,
    RONDEL_FLOAT,
    RONDEL_SEED,
    RONDEL_TEXT,
    RONDEL_JSON,
    RONDEL_BUNDLE,
    RONDEL_LIST,
    RONDEL_PAIR
};
typedef struct rondel_value rondel_value;
struct rondel_value {
    uint32_t tag, reserved;
    union {
        bool b;
        int64_t i;
        double f;
        uint64_t seed;
        int64_t pair[2];
        rondel_str text; /* RONDEL_TEXT and RONDEL_JSON */
        const rondel_bundle *bundle;
        struct {
            const rondel_value *items;
            uint64_t len;
        } list;
    } as;
};

/* ---- one execution ---- */

/* Made by the host for one run() and dead when it returns. */
typedef struct rondel_call rondel_call;
struct rondel_call {
    uint32_t struct_size, reserved;
    void *host_data;
    const rondel_value *inputs; /* in the order of the specification; borrowed */
    uint64_t n_inputs;
    /* [run] `port` counts from 0, in the order of the specification. The host copies text and retains bundles: the caller's
     * share stays the caller's. A value that does not fit the port is answered with RONDEL_INVALID_INPUT, and the step fails
     * unless one that fits is set after it; of several, the last one counts. */
    rondel_status (*set_output)(const rondel_call *, uint32_t port, const rondel_value *);
    /* [run] Says why, for people; return a status other than RONDEL_OK afterwards. input: index of the one at fault, or -1.
     * Of several reasons the last one counts. */
    void (*fail)(const rondel_call *, int32_t input, rondel_str message);
    const void *(*get_extension)(const rondel_call *, rondel_str id); /* [run] null if unknown; valid until run() returns */
};

/* The specification of a kind, in JSON: all that graphs, displays and documentation know of it.
 *
 *   {"kind": "acme.glow", "version": 1, "doc": "Adds a soft glow.\n\nMore, after an empty line.", "category": "finish",
 *    "lane": "Cpu",
 *    "inputs": [{"name": "image", "type": "Image", "doc": "The picture."},
 *               {"name": "radius", "type": "Float", "default": 12.0, "range": [0, 200], "soft": [0, 40], "unit": "px"}],
 *    "outputs": [{"name": "image", "type": "Image"}]}
 *
 * kind      lowercase names joined by dots, the maker's first
 * version   to be raised whenever equal inputs would give another result: kept results are known by it
 * lane      "Cpu" (the default), "Gpu", "Net", "Disk": what a run mostly uses or waits for
 * inputs    name and type of each; without a "default", and unless its type ends with `?`, it has to be given. "range": [min, max]
 *           is a limit, either side may be null, "soft" is what is usual; "multiple_of", "unit" and "step" are for numbers; "file":
 *           true makes a Text the path of a file to read; "expand": true lets `{name}` in a Text stand for an input of the graph;
 *           "unkeyed": true is for what decides whether a node runs and never what it makes, such as a limit: results are
 *           known whatever it is; "parts": ["vae"] says which parts of a Model are used
 * outputs   the first one is what a node stands for in a graph; each has to be set unless its type ends with `?`
 * effect, seeded, impure, serial   true where it holds: writes outside of the graph; repeatable only as far as a seed makes it so;
 *           may give other results for equal inputs; `run` is not to be entered twice at once
 *
 * Types: Bool Int Float Text Seed Size Duration Json Image Mask Tensor Saved, Choice(Near, Far(metres: Float)), List<Image>,
 * Latent<F> Conditioning<F> Model<F> where F is one model family throughout or the name of one, and `?` behind what may be missing. */

/* A kind of node. Owned by the plugin, valid until deinit(). */
typedef struct rondel_node rondel_node;
struct rondel_node {
    uint32_t struct_size, reserved;
    void *plugin_data;
    rondel_str spec_json; /* as above */
    /* [any] One call each; may be entered many times at once unless the specification says `serial`. */
    rondel_status (*run)(const rondel_node *, const rondel_call *);
    const void *(*get_extension)(const rondel_node *, rondel_str id); /* [any] null if unknown */
};

/* ---- host and plugin ---- */

typedef struct rondel_host rondel_host;
struct rondel_host {
    uint32_t struct_size;
    uint16_t abi_major, abi_minor;
    void *host_data;
    rondel_str name, version;
    const void *(*get_extension)(const rondel_host *, rondel_str id); /* [any] valid until deinit() returns */
};

#define RONDEL_NODE_FACTORY "rondel.nodes/1"
typedef struct rondel_node_factory rondel_node_factory;
struct rondel_node_factory {
    uint32_t struct_size, reserved;
    uint32_t (*count)(const rondel_node_factory *);                         /* [any] */
    const rondel_node *(*get)(const rondel_node_factory *, uint32_t index); /* [any] null if out of range */
};

/* flags of an entry */
#define RONDEL_ENTRY_ABORTS_ON_PANIC 1u /* built so that a panic ends the process; the loader warns */

/* The one exported symbol. Reading it must have no side effects. `name` and `version` are there, without control characters. */
typedef struct rondel_entry {
    uint32_t struct_size;
    uint16_t abi_major, abi_minor;
    uint64_t flags;
    rondel_str name, version, build;
    rondel_status (*init)(const rondel_host *, rondel_str path); /* [init] once per generation; path is empty if linked in */
    void (*deinit)(void);                                        /* no call in flight, no bundle alive; may be null */
    const void *(*get_factory)(rondel_str id);                   /* [any] null if unknown */
} rondel_entry;

/* ---- services: structs of their own, fetched by id from the host or the call ---- */

/* Receives borrowed text; a null sink is an error of the caller. */
typedef void (*rondel_text_sink)(void *data, rondel_str text);

#define RONDEL_RUN "rondel.run/1" /* from rondel_call */
typedef struct rondel_run {
    uint32_t struct_size, reserved;
    bool (*cancelled)(const rondel_call *);                                                /* [run] */
    void (*progress)(const rondel_call *, uint64_t done, uint64_t total, rondel_str note); /* [run] rate-limited by the host */
    void (*preview)(const rondel_call *, const rondel_bundle *image);                      /* [run] retained if wanted */
    /* [run] Whether anyone looks at previews: if not, making one is a waste. False where it is not offered. */
    bool (*preview_wanted)(const rondel_call *);
} rondel_run;

#define RONDEL_BUILD "rondel.build/1" /* from rondel_host */
typedef struct rondel_build {
    uint32_t struct_size, reserved;
    /* [any] Zeroed host memory for one bundle, counted once for the caller: fill tensors[].data, then hand it on.
     * `shapes` gives name, dtype and shape of each tensor. Null if they make no sense. */
    rondel_bundle *(*bundle)(const rondel_host *, rondel_str kind, rondel_str meta_json, const rondel_tensor *shapes,
                             uint64_t n);
} rondel_build;

#define RONDEL_LOG "rondel.log/1" /* from rondel_call */
enum { RONDEL_DEBUG = 0, RONDEL_INFO = 1, RONDEL_WARN = 2, RONDEL_ERROR = 3 };
typedef struct rondel_log {
    uint32_t struct_size, reserved;
    void (*log)(const rondel_call *, uint32_t level, rondel_str text); /* [run] becomes an event of the step */
} rondel_log;

#define RONDEL_MODELS "rondel.models/1" /* from rondel_call */
typedef struct rondel_models {
    uint32_t struct_size, reserved;
    /* [run] Calls `sink` with the path of each file of one part ("text", "transformer", "vae", …) of a model
     * value, as it came in; "lora.0" is the file of its first LoRA. Paths stay valid until the run ends. On failure,
     * such as a part that is not in the model's "parts", the sink got the reason instead. */
    rondel_status (*part)(const rondel_call *, rondel_str model_json, rondel_str part, rondel_text_sink sink, void *data);
} rondel_models;

#define RONDEL_OUTPUT "rondel.output/1" /* from rondel_call; for kinds that declare `effect` */
typedef struct rondel_output {
    uint32_t struct_size, reserved;
    void (*folder)(const rondel_call *, rondel_text_sink sink, void *data);     /* [run] where relative paths start */
    void (*provenance)(const rondel_call *, rondel_text_sink sink, void *data); /* [run] JSON: graph, inputs, models, versions */
} rondel_output;

#define RONDEL_MEMORY "rondel.memory/1" /* from rondel_host */
typedef struct rondel_memory {
    uint32_t struct_size, reserved;
    /* [any] Counts `bytes` that the plugin keeps between runs (loaded weights) against the budget; best asked for before
     * they are taken, for what was used longest ago is let go first to make room. `evict` is the host asking for them
     * back: the plugin frees, if nothing uses them, and says whether it did. Null: they are in use until they are freed
     * (memory to work in) and never asked for. 0 = refused. */
    uint64_t (*reserve)(const rondel_host *, uint64_t bytes, rondel_str name, bool (*evict)(void *data), void *data);
    void (*touch)(const rondel_host *, uint64_t ticket); /* [any] used just now */
    void (*free)(const rondel_host *, uint64_t ticket);  /* [any] the plugin let go by itself */
    uint64_t (*budget)(const rondel_host *);             /* [any] bytes for all plugins together; UINT64_MAX = no limit */
    /* [any] The most that a reservation could get now: the budget less what is never asked back. What may be asked back
     * counts as free, though whoever uses it just then will say no. UINT64_MAX = no limit. */
    uint64_t (*obtainable)(const rondel_host *);
} rondel_memory;

#define RONDEL_CHECKPOINT "rondel.checkpoint/1" /* from rondel_call */
typedef struct rondel_checkpoint {
    uint32_t struct_size, reserved;
    /* [run] Keeps `state` as how far the call is after `step` of its own steps, in place of what was kept before. It
     * belongs to the content of the call's inputs, and goes when the call succeeds. A host that cannot keep it says so
     * itself. The outputs must be the same to the bit whether or not a call went on from a checkpoint.
     * `state` stays the caller's: it is borrowed until `put` returns, and a host that needs it longer retains it. */
    void (*put)(const rondel_call *, uint64_t step, const rondel_bundle *state);
    /* [run] What an earlier call with the same inputs kept last, counted once for the caller, who releases it, and its
     * step; `step` may be null for who does not care. Null if there is nothing, and then `*step` is left as it was.
     * Whoever gets it goes on from it: the host tells people so. If the call then fails without having put a newer one,
     * and neither was cancelled nor ran out of memory, the host drops it, and the next attempt begins anew. */
    const rondel_bundle *(*latest)(const rondel_call *, uint64_t *step);
} rondel_checkpoint;

#define RONDEL_HOSTED "rondel.hosted/1" /* from rondel_call */
/* Receives a borrowed picture; whoever keeps it retains it. */
typedef void (*rondel_picture_sink)(void *data, const rondel_bundle *image);
typedef struct rondel_hosted {
    uint32_t struct_size, reserved;
    /* [run] Asks a model that others run for pictures, and returns when they are here or will not come; it looks at
     * `cancelled` by itself. The host alone knows addresses, keys, prices and limits: a plugin says what is to be seen.
     *   {"model": "flux.2-dev", "prompt": "a fox", "size": [1024, 768], "seed": 7, "n": 1, "route": "Cheapest"}
     * More fields: aspect_ratio ("16:9"), resolution ("1K"), response_format ("url", "b64_json"), output_format ("png",
     * "jpeg", "webp"), output_compression (0 to 100), limit_micros (millionths of a dollar); of `route` also "Fastest",
     * "Reliable", "Balanced", {"Only": "fal"} and {"Order": ["fal", "replicate"]}. `references` are `n` pictures to
     * draw from, in this order; borrowed. On RONDEL_OK `picture` got each picture and then `text` one JSON object:
     *   {"provider": "fal", "model": "fal-ai/flux-2", "seed_used": 7, "cost_micros": 12000, …}
     * Else `text` got the reason, and RONDEL_TRANSIENT says that another attempt may help. What was paid for and not
     * fetched yet is fetched by that attempt, not paid for again. */
    rondel_status (*paint)(const rondel_call *, rondel_str request_json, const rondel_value *references, uint64_t n,
                           rondel_picture_sink picture, rondel_text_sink text, void *data);
} rondel_hosted;

#define RONDEL_COST "rondel.cost/1" /* from rondel_node */
typedef struct rondel_cost {
    uint32_t struct_size, reserved;
    /* [any] What a run would need, before anything is loaded. The call is no run: its inputs are those that are known
     * and RONDEL_NONE in place of the others, bundles among them have shapes and metadata and no content that means
     * anything, and of all services it has only rondel.models/1. `set_output` may be used to say what an output will look
     * like, in the same way. `sink` receives one JSON object, or nothing if nothing can be said:
     *   {"parts": [{"name": "transformer", "bytes": 7800000000, "kept": "transformer 4be1…"},
     *              {"name": "activations", "bytes": 1500000000}], "streamed_bytes": 2100000000}
     * `kept`: stays between runs under this name, once for all who need it. `streamed_bytes`: as little as would do if
     * weights were read while they are used; absent if that is not possible. `hosted`: what the run will ask of a hosted
     * model, as in rondel.hosted/1, with "references": [[w, h], …] if their sizes are known.
     * It may be called while `run` of the same node runs, and several times at once: that a kind is `serial` holds for
     * `run` alone. An error, told through `fail` as in `run`, says that a run would fail in the same way: the host then
     * does not begin it, unless it is for lack of memory. What is merely not known is no error. */
    rondel_status (*cost)(const rondel_node *, const rondel_call *, rondel_text_sink sink, void *data);
} rondel_cost;

#ifdef __cplusplus
}
#endif
#endif
