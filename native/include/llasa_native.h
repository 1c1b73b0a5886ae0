/* llasa_native.h - the C ABI of LlasaNative: one policy, its rollouts and training, a codec, a recogniser.
 *
 * libllasa_cpu.so and libllasa_cuda.so export exactly these functions. Rules that hold for every one of them:
 *
 *  - Every function returns llasa_status, except llasa_*_destroy, llasa_*_options_init, llasa_abi_version and
 *    llasa_last_error. A status other than LLASA_OK leaves the `out_` parameters of scalars untouched, sets
 *    every `out` handle to NULL, and stores a message for the calling thread (llasa_last_error).
 *  - Handles are reference counted inside: a child (rollout, trainer) keeps its parent (policy) alive, so any
 *    order of destruction is legal. Destroy accepts NULL, may run on any thread and cannot fail.
 *  - Threads: unless said otherwise a handle is used by one thread at a time; different handles may be used
 *    from different threads. A rollout or trainer uses its policy: the three count as one handle.
 *  - Pointers are host memory, row-major, and borrowed for the duration of the call. A pointer whose count is
 *    0 may be NULL. Inputs and outputs must not overlap. Counts are elements unless the name ends in _bytes.
 *  - Functions whose name ends in _on_device take arrays that lie on a device, such as another library's tensors:
 *      Arrays   those not said to be host memory are memory of `device`, as CUDA counts devices in this process, -1
 *               for the library's (on the CPU, whose memory is the host's: -1 or 0). Each must begin at a multiple of
 *               its element's size and have its first and last byte there: LLASA_ERR_ARGUMENT otherwise.
 *      stream   a cudaStream_t of that device, NULL for its legacy default stream; NULL on the CPU. Of another device:
 *               LLASA_ERR_ARGUMENT; one that is being recorded into a graph: LLASA_ERR_STATE.
 *      Order    arrays are read and written behind the work that `stream` holds when the call is made, and before what
 *               it is given later, as if the call were a kernel launched there. The call returns without waiting
 *               unless it says so. On the CPU everything is done when it returns.
 *      Lifetime arrays on the device: until `stream` has passed the call, so that they may be freed at once in its
 *               order. Host arrays and options: the call's. The device that the calling thread has chosen in CUDA is
 *               the same again afterwards.
 *      Errors   of arguments and memory come from the call. Those of values on the device are written to the results,
 *               as each function says. A device that fails at the work reports it to whoever waits for it next: a
 *               later call (LLASA_ERR_DEVICE), or CUDA's functions elsewhere.
 *  - Option structs begin with struct_size (set by *_options_init) and only ever grow at the end.
 *
 * Legend of shapes: B sequences, T tokens or frames, V vocabulary, C hidden size, S samples of a waveform.
 */
#ifndef LLASA_NATIVE_H
#define LLASA_NATIVE_H

#include <stdint.h>

#if defined(_WIN32)
#define LLASA_API __declspec(dllexport)
#else
#define LLASA_API __attribute__((visibility("default")))
#endif

#if defined(__cplusplus) && __cplusplus >= 201703L
#define LLASA_MUST_USE [[nodiscard]]
#elif defined(__GNUC__)
#define LLASA_MUST_USE __attribute__((warn_unused_result))
#else
#define LLASA_MUST_USE
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------- common */

#define LLASA_ABI_MAJOR 2
#define LLASA_ABI_MINOR 5

/* Status of a call. Values are frozen; 1xx argument, 2xx state, 3xx resource, 4xx device, 5xx numeric, 6xx
 * cancellation, 7xx other processes, 9xx a bug. */
typedef int32_t llasa_status;
#define LLASA_OK 0
#define LLASA_ERR_ARGUMENT 100      /* a NULL, a value out of range, a wrong length */
#define LLASA_ERR_ABI 101           /* struct_size unknown and its tail not zero */
#define LLASA_ERR_SHAPE 102         /* tensor of another shape or dtype than the model needs */
#define LLASA_ERR_NAME 103          /* no tensor, struct or field of that name */
#define LLASA_ERR_TOKEN 104         /* token or code id outside its vocabulary */
#define LLASA_ERR_STATE 200         /* weights missing, nothing accumulated, wrong order of calls */
#define LLASA_ERR_OUT_OF_MEMORY 300 /* host or device memory; the message says what was being allocated */
#define LLASA_ERR_CAPACITY 301      /* a sequence does not fit the model, the cache or the caller's buffer */
#define LLASA_ERR_DEVICE 400        /* the device failed; the handle is dead */
#define LLASA_ERR_NO_DEVICE 401     /* no usable device */
#define LLASA_ERR_NOT_FINITE 500    /* NaN or infinity where a number is due; the message names the tensor */
#define LLASA_ERR_CANCELLED 600     /* a callback asked to stop */
#define LLASA_ERR_WORLD 700         /* another process of the run is gone, or MPI is lacking or failed */
#define LLASA_ERR_INTERNAL 900      /* a bug in this library */

/* Element types of tensors that cross the ABI, and as compute_dtype of options how a model keeps its matrices.
 * LLASA_Q8 is for the latter alone: of 32 columns of a row each weight is a whole number from -127 to 127 times a
 * scale in f32, 1.125 bytes a weight. For models that are never trained, on the CPU backend. Matrices whose rows
 * are not multiples of 32 stay f32. Products round each 32 numbers of the other operand to multiples of
 * 2^-16 of the largest, about. */
typedef int32_t llasa_dtype;
#define LLASA_F32 0
#define LLASA_F16 1
#define LLASA_BF16 2
#define LLASA_Q8 3

/* Version of the loaded library as (major << 16) | minor; major must equal LLASA_ABI_MAJOR. Threads: any. */
LLASA_API uint32_t llasa_abi_version(void);

/* Message of the calling thread's last failing call, UTF-8; "" when none failed. Names the function, the
 * argument, what was expected and what came. Threads: any. Lifetime: until that thread's next failing
 * call. */
LLASA_API const char* llasa_last_error(void);

typedef struct llasa_device_info {
  uint32_t struct_size;
  int32_t num_threads;         /* threads the library computes with */
  char backend[16];            /* "cpu", "cuda" or "cudasim" */
  char isa[32];                /* "amx", "avx512", "avx2", "scalar"; "sm_90" */
  char device_name[128];       /* processor or card */
  int64_t device_memory_bytes; /* of a card; 0 for cpu */
} llasa_device_info;

/* Describes backend, instruction set and device. out_info: struct_size set by the caller. Threads: any. */
LLASA_API LLASA_MUST_USE llasa_status llasa_get_device_info(llasa_device_info* out_info);

/* Number of compute threads, 1..256; 0 = all processors this process may use. Results do not depend on it.
 * Threads: call while no other call is running. */
LLASA_API LLASA_MUST_USE llasa_status llasa_set_num_threads(int32_t num_threads);

typedef struct llasa_machine_peaks {
  uint32_t struct_size;
  uint32_t reserved;
  double gemm_gflops;        /* 1e9 flop/s of a large f32 matrix product through this library */
  double bandwidth_gb_per_s; /* 1e9 byte/s read + written by a large copy through all threads */
  double gemm_bf16_gflops;   /* as gemm_gflops with a matrix of bf16; a card rounds the other one first */
  double read_gb_per_s;      /* 1e9 byte/s read from a large matrix through all threads: decoding's roof */
} llasa_machine_peaks;

/* Measures the roofs benchmarks are compared with: best of several runs, some seconds in all.
 * Threads: call while nothing else runs. */
LLASA_API LLASA_MUST_USE llasa_status llasa_measure_machine_peaks(llasa_machine_peaks* out_peaks);

typedef struct llasa_live_counts {
  uint32_t struct_size;
  uint32_t reserved;
  int64_t policies;
  int64_t rollouts;
  int64_t trainers;
  int64_t codecs;
  int64_t whispers;
  int64_t buffers;
  int64_t allocated_bytes; /* tensor memory held by the library, caches of live handles included */
} llasa_live_counts;

/* What is alive in this process; all zero once every handle is destroyed. Threads: any. */
LLASA_API LLASA_MUST_USE llasa_status llasa_get_live_counts(llasa_live_counts* out_counts);

/* Size of a struct ("llasa_rollout_options") or offset of a field ("llasa_rollout_options.max_slots") in
 * bytes, as this library was compiled: bindings check themselves against it. LLASA_ERR_NAME if unknown.
 * Threads: any. */
LLASA_API LLASA_MUST_USE llasa_status llasa_struct_layout(const char* name, int64_t* out_bytes);

/* Called on the calling thread of the long call it was passed to. done of total units (tokens, samples).
 * Returns non-zero to cancel; must not throw or call back into the same handle. */
typedef int32_t (*llasa_progress_callback)(void* user, int64_t done, int64_t total);

/* One parameter of a model. */
typedef struct llasa_tensor_info {
  uint32_t struct_size;
  int32_t rank;        /* 1..4 */
  int64_t shape[4];    /* row-major; entries past rank are 1 */
  const char* name;    /* Hugging Face parameter name. Lifetime: the handle's */
  int32_t is_set;      /* 1 once llasa_*_set_tensor succeeded for it */
  int32_t is_optional; /* 1 if the model works without it (encoder of a decoder-only codec checkpoint) */
  int32_t is_adapter;  /* 1 if it belongs to a policy's adapter and not to the base model */
  int32_t reserved;
} llasa_tensor_info;

/* ------------------------------------------------------------------------------------------- buffer */

/* Page-locked host memory (plain aligned memory on the CPU backend), for audio on its way to and from a
 * device. */
typedef struct llasa_buffer llasa_buffer;

/* Allocates size_bytes (> 0), 64-byte aligned, zeroed. Threads: any. Lifetime: until destroyed. */
LLASA_API LLASA_MUST_USE llasa_status llasa_buffer_create(int64_t size_bytes, llasa_buffer** out);
LLASA_API void llasa_buffer_destroy(llasa_buffer* buffer);
/* The memory of a buffer. Lifetime: the buffer's. Threads: any. */
LLASA_API LLASA_MUST_USE llasa_status llasa_buffer_data(llasa_buffer* buffer, void** out_data,
                                                        int64_t* out_size_bytes);

/* -------------------------------------------------------------------------------------------- world */

/* The processes of a run, its ranks, joined by MPI where they were started by mpirun, mpiexec or srun; this
 * process alone otherwise. MPI's library is opened then and only then; LLASA_MPI_LIBRARY names another one than
 * is found. Every rank makes the same calls in the same order with the same sizes; sums are formed in the order of
 * ranks, bit-equal from run to run. Gradients and weights on GPUs travel by NCCL where every rank has a GPU of its own
 * and finds libnccl.so.2 (LLASA_NCCL_LIBRARY names another file, LLASA_NCCL=0 does without), else through the hosts'
 * memory: NCCL adds in an order of its own, so that these sums differ from the others by rounding. A rank that gives no
 * sign of life for LLASA_WORLD_TIMEOUT seconds (30) is taken for gone: calls are LLASA_ERR_WORLD then. Threads: one at
 * a time, but for llasa_world_check and llasa_world_abort. */
typedef struct llasa_world llasa_world;

typedef struct llasa_world_info {
  uint32_t struct_size;
  int32_t rank; /* 0 <= rank < size */
  int32_t size;
  int32_t local_rank; /* among the ranks of this machine */
  int32_t local_size;
  int32_t
      num_threads;   /* compute threads that are this rank's share of the processors it may use, at least 1 */
  char library[128]; /* MPI's name and version; "" where there is one process */
  char device_library[128]; /* NCCL's, once there is a trainer; "" where it carries nothing */
  char device_refusal[256]; /* why it carries nothing; "" before there is a trainer, and on the CPU */
} llasa_world_info;

/* Joins the world this process was started in; LLASA_ERR_STATE the second time where that is one of several
 * ranks. */
LLASA_API LLASA_MUST_USE llasa_status llasa_world_create(llasa_world** out);
/* Does not wait for other ranks: without llasa_world_finish before it their calls fail. */
LLASA_API void llasa_world_destroy(llasa_world* world);
/* out_info: struct_size set by the caller. */
LLASA_API LLASA_MUST_USE llasa_status llasa_world_get_info(llasa_world* world, llasa_world_info* out_info);
/* Returns when every rank has called it. */
LLASA_API LLASA_MUST_USE llasa_status llasa_world_barrier(llasa_world* world);
/* data [size_bytes] of rank `root` becomes everybody's. */
LLASA_API LLASA_MUST_USE llasa_status llasa_world_broadcast(llasa_world* world, int32_t root, void* data,
                                                            int64_t size_bytes);
/* out_data receives the arrays of all ranks one after another; sizes [num_sizes = ranks], the same everywhere, are
 * their bytes, and out_size_bytes is their sum. data [size_bytes], size_bytes = sizes[rank]. */
LLASA_API LLASA_MUST_USE llasa_status llasa_world_all_gather(llasa_world* world, const void* data,
                                                             int64_t size_bytes, const int64_t* sizes,
                                                             int64_t num_sizes, void* out_data,
                                                             int64_t out_size_bytes);
/* values [count]: sums over ranks. */
LLASA_API LLASA_MUST_USE llasa_status llasa_world_all_reduce(llasa_world* world, double* values,
                                                             int64_t count);
/* LLASA_ERR_WORLD once another rank is known to be gone. Threads: any, beside a call that waits. */
LLASA_API LLASA_MUST_USE llasa_status llasa_world_check(llasa_world* world);
/* Waits for all ranks and takes leave of them; calls that would exchange messages are LLASA_ERR_STATE from then
 * on. */
LLASA_API LLASA_MUST_USE llasa_status llasa_world_finish(llasa_world* world);
/* Ends the processes of all ranks, this one included, with an exit code; returns only for a bad argument. Threads:
 * any, beside a call that waits. */
LLASA_API LLASA_MUST_USE llasa_status llasa_world_abort(llasa_world* world, int32_t exit_code);

/* ------------------------------------------------------------------------------------------- policy */

/* A Llama language model as transformers.LlamaForCausalLM: weights and nothing else. */
typedef struct llasa_policy llasa_policy;

#define LLASA_ROPE_DEFAULT 0
#define LLASA_ROPE_LLAMA3 1

typedef struct llasa_policy_options {
  uint32_t struct_size;
  int32_t vocab_size;
  int32_t hidden_size;
  int32_t intermediate_size;
  int32_t num_layers;
  int32_t num_heads;
  int32_t num_kv_heads;            /* divides num_heads */
  int32_t head_dim;                /* even; need not be hidden_size / num_heads */
  int32_t max_position_embeddings; /* longest sequence, in tokens */
  int32_t tie_word_embeddings;     /* 0 or 1 */
  float rms_norm_eps;
  int32_t rope_type; /* LLASA_ROPE_* */
  double rope_theta;
  double rope_factor; /* the four of llama3 scaling; ignored for LLASA_ROPE_DEFAULT */
  double rope_low_freq_factor;
  double rope_high_freq_factor;
  double rope_original_max_position;
  llasa_dtype compute_dtype; /* of the matrices that products read; default LLASA_F32. LLASA_BF16: f32 values
                                stay beside them for the optimiser and for get_tensor; norm gains are f32,
                                sums are f32, keys and values of rollouts are bf16. LLASA_Q8: with frozen = 1
                                alone and without an adapter; otherwise as LLASA_BF16 */
  int32_t frozen; /* 1 = the weights are not trained (llasa_trainer_create is LLASA_ERR_STATE without
                     an adapter), and with LLASA_BF16 no f32 values of matrices are kept. With LLASA_Q8 it
                     must be 1 */
} llasa_policy_options;

LLASA_API void llasa_policy_options_init(llasa_policy_options* options);

/* Creates a policy with all weights unset. Lifetime: caller destroys. */
LLASA_API LLASA_MUST_USE llasa_status llasa_policy_create(const llasa_policy_options* options,
                                                          llasa_policy** out);
LLASA_API void llasa_policy_destroy(llasa_policy* policy);

/* Number of parameters, and parameter i in model order (embedding, layers 0.., final norm, head if untied),
 * then those of the adapter if there is one. */
LLASA_API LLASA_MUST_USE llasa_status llasa_policy_tensor_count(llasa_policy* policy, int64_t* out_count);
LLASA_API LLASA_MUST_USE llasa_status llasa_policy_tensor_info(llasa_policy* policy, int64_t index,
                                                               llasa_tensor_info* out_info);
/* Copies a parameter in. shape[rank] must equal the model's; dtype any, converted. NaN or infinity is refused
 * (LLASA_ERR_NOT_FINITE). */
LLASA_API LLASA_MUST_USE llasa_status llasa_policy_set_tensor(llasa_policy* policy, const char* name,
                                                              llasa_dtype dtype, const int64_t* shape,
                                                              int32_t rank, const void* data);
/* Copies a parameter out as dtype (round to nearest even): its f32 value, or the one in bf16 or 8 bits where that
 * is all there is. size_bytes must be exactly what it takes. */
LLASA_API LLASA_MUST_USE llasa_status llasa_policy_get_tensor(llasa_policy* policy, const char* name,
                                                              llasa_dtype dtype, void* out_data,
                                                              int64_t size_bytes);
/* Copies every weight of source (same sizes) into policy: a frozen reference, or a restored best. Matrices
 * that one of the two keeps in bf16 or 8 bits alone arrive rounded as that does. */
LLASA_API LLASA_MUST_USE llasa_status llasa_policy_copy_weights(llasa_policy* policy, llasa_policy* source);
/* Of weights that were shared out over ranks (llasa_trainer_options.shard_weights, llasa_policy_share_out): brings a
 * copy of all of them, as products read it, to every rank, which rollouts, logits and log-probs need; it is there until
 * the next llasa_trainer_accumulate, llasa_trainer_step or llasa_policy_set_tensor. Every rank calls it. Does nothing
 * for others. Tensors of such a policy are set by every rank, each the whole, and got by every rank, the same ones in
 * the same order. */
LLASA_API LLASA_MUST_USE llasa_status llasa_policy_gather(llasa_policy* policy);
/* Shares the weights of a frozen policy (a reference) out over ranks, once and for good: each keeps its part alone.
 * Every rank calls it, and llasa_policy_logprobs as often as the others, with no sequences where it has none: layers are
 * brought together as its passes come to them. All else needs llasa_policy_gather. In a world of one it does nothing.
 * LLASA_ERR_STATE for a policy that is not frozen, in 8 bits, or has an adapter. Lifetime: keeps the world. */
LLASA_API LLASA_MUST_USE llasa_status llasa_policy_share_out(llasa_policy* policy, llasa_world* world);
/* Where a parameter lies: *out_data is its first element, row-major, in memory of the device the library computes
 * on (host memory on the CPU); *out_dtype LLASA_F32, the values that are trained and saved, or LLASA_BF16 where
 * that is all there is. For an engine that trains in place. LLASA_ERR_NAME for an unknown name, LLASA_ERR_STATE
 * for a matrix in 8 bits.
 * Where a CPU multiplies pairs of bf16 in vectors, a frozen policy in bf16 keeps its matrices in groups of rows, which
 * are read faster and have no elements in a row. The first call, of whatever name, puts all of them back into rows, once
 * and for good: meanwhile both are held, twice the memory of the matrices (LLASA_ERR_OUT_OF_MEMORY leaves the groups),
 * and afterwards few rows are multiplied more slowly, with the same results.
 * Lifetime: the policy's, and that of its rollouts and trainers; attaching an adapter moves nothing.
 * Threads: the policy's, for reading and writing the memory as well. */
LLASA_API LLASA_MUST_USE llasa_status llasa_policy_tensor_data(llasa_policy* policy, const char* name,
                                                               void** out_data, llasa_dtype* out_dtype);
/* To be called after values behind llasa_policy_tensor_data were written: brings up to date what the policy
 * derives from them, the bf16 copies that products read. */
LLASA_API LLASA_MUST_USE llasa_status llasa_policy_tensors_changed(llasa_policy* policy);

#define LLASA_LORA_Q 1
#define LLASA_LORA_K 2
#define LLASA_LORA_V 4
#define LLASA_LORA_O 8
#define LLASA_LORA_GATE 16
#define LLASA_LORA_UP 32
#define LLASA_LORA_DOWN 64

/* A low-rank adapter (arXiv 2106.09685): every target projection W computes W x + (alpha / rank) B A x. */
typedef struct llasa_lora_options {
  uint32_t struct_size;
  int32_t rank;      /* 1..4096; default 16 */
  float alpha;       /* > 0; default 32 */
  int32_t targets;   /* sum of LLASA_LORA_*; default all */
  float dropout;     /* 0 <= dropout < 1; default 0. Share of the inputs of A that llasa_trainer_accumulate
                        leaves out, the rest scaled by 1 / (1 - dropout); nothing else drops any. */
  uint32_t reserved; /* 0 */
  uint64_t dropout_seed; /* default 0; masks are a function of it, the steps taken and the micro-batch */
} llasa_lora_options;

LLASA_API void llasa_lora_options_init(llasa_lora_options* options);

/* Puts an adapter beside the weights, once; LLASA_ERR_STATE the second time. Its tensors join those of the
 * policy under PEFT's names (base_model.model.model.layers.N.self_attn.q_proj.lora_A.weight [rank, inputs],
 * .lora_B.weight [outputs, rank]), unset. From then on base weights are frozen: trainers created later train,
 * and hold gradients and moments for, the adapter alone; those created before are LLASA_ERR_STATE. */
LLASA_API LLASA_MUST_USE llasa_status llasa_policy_attach_lora(llasa_policy* policy,
                                                               const llasa_lora_options* options);
/* Switches the adapter on (1, as attached) or off (0): then log-probs, logits and rollouts are those of the
 * base weights, the starting policy. LLASA_ERR_STATE without an adapter. */
LLASA_API LLASA_MUST_USE llasa_status llasa_policy_use_lora(llasa_policy* policy, int32_t on);
/* llasa_policy_get_tensor of a base parameter with the adapter's product added; without an adapter the
 * same. */
LLASA_API LLASA_MUST_USE llasa_status llasa_policy_get_merged_tensor(llasa_policy* policy, const char* name,
                                                                     llasa_dtype dtype, void* out_data,
                                                                     int64_t size_bytes);

/* Whole sequences, packed. Tokens prompt_lengths[b].. of sequence b are "scored": those a loss or log-prob is
 * wanted for; N = sum over b of (length_b - prompt_lengths[b]). Arrays over scored tokens are packed in this
 * order. Consecutive sequences with the same prompt tokens are recognised and their prompt is computed
 * once. */
typedef struct llasa_token_batch {
  uint32_t struct_size;
  uint32_t reserved;
  int64_t num_sequences;         /* B */
  const int64_t* offsets;        /* [B+1], offsets[0] = 0, increasing */
  const int32_t* token_ids;      /* [offsets[B]] */
  const int64_t* prompt_lengths; /* [B], 1 <= prompt_lengths[b] <= length_b */
} llasa_token_batch;

/* Which distribution a log-prob is of: softmax(logits / temperature) over the allowed ids. */
typedef struct llasa_head_options {
  uint32_t struct_size;
  float temperature;      /* > 0; default 1 */
  int32_t restrict_start; /* allowed ids are [restrict_start, restrict_end) and restrict_extra; */
  int32_t restrict_end;   /* restrict_end = 0: all ids (default) */
  int32_t restrict_extra; /* -1: none */
  int32_t chunk_tokens;   /* rows of logits held at a time; 0 = chosen by the library */
} llasa_head_options;

LLASA_API void llasa_head_options_init(llasa_head_options* options);

/* Logits of every position of one sequence, unscaled. out_logits: f32 [num_tokens, V]. For checks; a training
 * run never holds this array. */
LLASA_API LLASA_MUST_USE llasa_status llasa_policy_logits(llasa_policy* policy, const int32_t* token_ids,
                                                          int64_t num_tokens, float* out_logits);

/* Log-prob of each scored token given everything before it, and the entropy (nats) of the distribution it was
 * drawn from. out_logprobs [N]; out_entropies [N] or NULL. micro_batch_tokens: tokens computed at a time
 * (0 = chosen by the library). */
LLASA_API LLASA_MUST_USE llasa_status llasa_policy_logprobs(llasa_policy* policy,
                                                            const llasa_token_batch* batch,
                                                            const llasa_head_options* head,
                                                            int64_t micro_batch_tokens, float* out_logprobs,
                                                            float* out_entropies);

/* ------------------------------------------------------------------------------------------ rollout */

/* Continuous-batching generator with its own KV cache. */
typedef struct llasa_rollout llasa_rollout;

typedef struct llasa_rollout_options {
  uint32_t struct_size;
  int32_t max_slots;           /* sequences decoded at once; default 64 */
  int32_t max_sequence_tokens; /* prompt + response; 0 = the policy's max_position_embeddings */
  int32_t readback_steps;      /* tokens decoded between two looks at which samples have ended, 1..1024; 0 =
                                  chosen by the library (8 on a GPU, 1 on the CPU). Fewer cost waiting, more
                                  cost places of ended samples; the drawn tokens are the same */
} llasa_rollout_options;

LLASA_API void llasa_rollout_options_init(llasa_rollout_options* options);
LLASA_API LLASA_MUST_USE llasa_status llasa_rollout_create(llasa_policy* policy,
                                                           const llasa_rollout_options* options,
                                                           llasa_rollout** out);
LLASA_API void llasa_rollout_destroy(llasa_rollout* rollout);

/* How the next token is drawn, in this order: repetition penalty (over prompt and response, as transformers),
 * temperature, top-k (ties with the k-th kept), top-p (drop while the ascending cumulative probability is
 * <= 1 - top_p), min-p (drop below min_p * the best), draw. Random numbers: Philox4x32-10 keyed by
 * (seed, sequence id, position), so a sample does not depend on what else is decoded beside it. */
typedef struct llasa_sampling_options {
  uint32_t struct_size;
  float temperature;        /* 0 = greedy; default 1 */
  int32_t top_k;            /* 0 = off */
  float top_p;              /* (0, 1]; 1 = off */
  float min_p;              /* [0, 1); 0 = off */
  float repetition_penalty; /* > 0; 1 = off */
  int32_t restrict_start;   /* allowed ids as in llasa_head_options */
  int32_t restrict_end;
  int32_t restrict_extra;
  int32_t stop_token;     /* ends a sequence and is its last token; -1 = none */
  int32_t max_new_tokens; /* >= 1 */
  int32_t min_new_tokens; /* stop_token cannot be drawn before; default 0 */
  uint64_t seed;
} llasa_sampling_options;

LLASA_API void llasa_sampling_options_init(llasa_sampling_options* options);

#define LLASA_FINISH_STOP 1   /* the stop token was drawn */
#define LLASA_FINISH_LENGTH 2 /* max_new_tokens or the model's longest sequence was reached */

/* Called on the calling thread of llasa_rollout_generate when sample `index` (p*n + j) is finished: its rows
 * of the result are final, those of unfinished samples are not. Once per sample, in the order they finish.
 * Returns non-zero to cancel; must not throw or call back into the same handle. */
typedef int32_t (*llasa_sample_callback)(void* user, int64_t index);

/* Called on the calling thread of llasa_rollout_generate before samples are admitted and so whenever the host
 * has read what was drawn: tokens of the result are written as far as they are drawn, -1 behind. Returns how
 * many prompts have arrived, of those that num_prompts makes room for and never fewer than before: their
 * entries of prompt_offsets, prompt_ids and sequence_ids are written by then. Negative cancels; must not throw
 * or call back into the same handle. The call ends when all that arrived are finished; rows of prompts that never
 * arrived are left as they were. */
typedef int64_t (*llasa_arrival_callback)(void* user);

typedef struct llasa_rollout_request {
  uint32_t struct_size;
  int32_t samples_per_prompt;       /* n >= 1 */
  int64_t num_prompts;              /* P; with `arrived` the most that may arrive */
  const int64_t* prompt_offsets;    /* [P+1] */
  const int32_t* prompt_ids;        /* [prompt_offsets[P]] */
  const uint64_t* sequence_ids;     /* [P*n] key of the random numbers; NULL = 0, 1, 2, ... */
  llasa_progress_callback progress; /* tokens drawn, upper bound; may be NULL */
  void* progress_user;
  llasa_sample_callback finished; /* may be NULL */
  void* finished_user;
  llasa_arrival_callback arrived; /* NULL: all prompts are there from the start */
  void* arrived_user;
  const int32_t* sample_limits; /* [P*n] most tokens of each sample, beside max_new_tokens; below 1 counts as
                                   1; callbacks may lower them, which ends a sample that has so many
                                   (LLASA_FINISH_LENGTH). NULL = none */
} llasa_rollout_request;

/* Outputs, sample j of prompt p at index i = p*n + j; M = max_new_tokens of the sampling options. */
typedef struct llasa_rollout_result {
  uint32_t struct_size;
  uint32_t reserved;
  int32_t* tokens;         /* [P*n, M], unused entries -1 */
  float* logprobs;         /* [P*n, M] log-prob of each drawn token under softmax(penalised logits / T) over
                              the allowed ids, before top-k, top-p and min-p; unused entries 0 */
  int32_t* lengths;        /* [P*n] tokens drawn, the stop token included */
  int32_t* finish_reasons; /* [P*n] LLASA_FINISH_* */
  float* draw_logprobs;    /* [P*n, M] log of the probability each token was really drawn with: behind top-k,
                              top-p, min-p and min_new_tokens; unused entries 0; NULL = not wanted */
} llasa_rollout_result;

/* Draws n samples for each prompt. The prompt of a group is prefilled once and its keys and values shared.
 * Cancelled through request->progress or request->finished; results are then undefined. temperature 0 records
 * log-probs at T = 1. */
LLASA_API LLASA_MUST_USE llasa_status llasa_rollout_generate(llasa_rollout* rollout,
                                                             const llasa_sampling_options* sampling,
                                                             const llasa_rollout_request* request,
                                                             llasa_rollout_result* result);

/* The fused sampling kernel alone. logits [rows, V]; history_offsets [rows+1] and history ids for the
 * repetition penalty (NULL = none); sequence_ids and positions [rows]; out_ids, out_logprobs [rows]. */
LLASA_API LLASA_MUST_USE llasa_status llasa_sample(const llasa_sampling_options* sampling,
                                                   const float* logits, int64_t rows, int64_t vocab_size,
                                                   const int64_t* history_offsets, const int32_t* history_ids,
                                                   const uint64_t* sequence_ids, const int64_t* positions,
                                                   int32_t* out_ids, float* out_logprobs);
/* llasa_sample on arrays of a device; does not wait. history_ids [num_history_ids]. logits stay as they are. A row
 * that cannot be drawn from has log-prob 0 and, in place of an id, one of
 *   LLASA_SAMPLE_NOT_FINITE  its logits of allowed ids hold NaN or +infinity; or there is a repetition penalty, and
 *                            its history leaves history_ids or holds an id outside 0..V-1
 *   LLASA_SAMPLE_EMPTY       they are all -infinity
 * Threads: any. */
#define LLASA_SAMPLE_NOT_FINITE -1
#define LLASA_SAMPLE_EMPTY -2
LLASA_API LLASA_MUST_USE llasa_status llasa_sample_on_device(
    int32_t device, void* stream, const llasa_sampling_options* sampling, const float* logits, int64_t rows,
    int64_t vocab_size, const int64_t* history_offsets, const int32_t* history_ids, int64_t num_history_ids,
    const uint64_t* sequence_ids, const int64_t* positions, int32_t* out_ids, float* out_logprobs);
/* The distribution llasa_sample draws from: out_probs [rows, V], exactly 0 for tokens that were dropped. */
LLASA_API LLASA_MUST_USE llasa_status llasa_sampling_distribution(
    const llasa_sampling_options* sampling, const float* logits, int64_t rows, int64_t vocab_size,
    const int64_t* history_offsets, const int32_t* history_ids, float* out_probs);

/* ---------------------------------------------------------------------------------------- advantage */

#define LLASA_ADVANTAGE_GRPO 0    /* (r - mean) / (unbiased std + epsilon); group of one: the reward itself */
#define LLASA_ADVANTAGE_DR_GRPO 1 /* r - mean; group of one: the reward itself */
#define LLASA_ADVANTAGE_RLOO 2    /* r - mean of the others; group of one: the reward itself */

/* Group-relative advantages. rewards, group_ids, out_advantages [count]; mask [count] of 0/1 or NULL: masked
 * samples take no part and get 0. NaN spreads through its own group only. epsilon: verl uses 1e-6.
 * In place allowed: out_advantages may be rewards. Threads: any. */
LLASA_API LLASA_MUST_USE llasa_status llasa_group_advantage(int32_t estimator, float epsilon,
                                                            const float* rewards, const int64_t* group_ids,
                                                            const uint8_t* mask, int64_t count,
                                                            float* out_advantages);
/* llasa_group_advantage on arrays of a device; does not wait. In place allowed. Threads: any. */
LLASA_API LLASA_MUST_USE llasa_status llasa_group_advantage_on_device(
    int32_t device, void* stream, int32_t estimator, float epsilon, const float* rewards,
    const int64_t* group_ids, const uint8_t* mask, int64_t count, float* out_advantages);

/* ------------------------------------------------------------------------------------------ trainer */

/* Gradients and AdamW state of one policy. */
typedef struct llasa_trainer llasa_trainer;

typedef struct llasa_trainer_options {
  uint32_t struct_size;
  float beta1;         /* default 0.9 */
  float beta2;         /* default 0.999 */
  float epsilon;       /* default 1e-8 */
  float weight_decay;  /* decoupled, on every parameter; default 0 */
  float max_grad_norm; /* global L2 norm; scale min(1, max / (norm + 1e-6)); 0 = off; default 1 */
  int32_t
      recompute; /* in backward: 1 = each layer, keeping its input alone; 2 = each layer's gate and up alone */
  int32_t num_ranks;          /* that train together, for a memory plan; a trainer takes its world's. 0 = 1 */
  int64_t micro_batch_tokens; /* tokens of one forward/backward, at least one sequence; default 4096 */
  int32_t offload_moments; /* 1 = moments in page-locked memory of the host, 8 bytes a parameter; default 0 */
  int32_t
      shard_weights; /* 1 = weights and gradients are shared out over the ranks as moments are; default 0 */
} llasa_trainer_options;

LLASA_API void llasa_trainer_options_init(llasa_trainer_options* options);
LLASA_API LLASA_MUST_USE llasa_status llasa_trainer_create(llasa_policy* policy,
                                                           const llasa_trainer_options* options,
                                                           llasa_trainer** out);
/* A trainer of several ranks. Each holds all gradients, and moments for its share of them alone, which it updates and
 * sends to the others (ZeRO-1): every rank calls accumulate as often as it has work, then reduce, then step. With
 * shard_weights each holds weights and gradients, too, for its share alone (ZeRO-3): the policy's are shared out for good,
 * which none with an adapter can be; layers are brought together as passes come to them, so that accumulate waits for
 * the other ranks; after a step the policy's weights are not together (llasa_policy_gather). Lifetime: keeps the
 * world. */
LLASA_API LLASA_MUST_USE llasa_status llasa_trainer_create_in_world(llasa_world* world, llasa_policy* policy,
                                                                    const llasa_trainer_options* options,
                                                                    llasa_trainer** out);
LLASA_API void llasa_trainer_destroy(llasa_trainer* trainer);

#define LLASA_POLICY_TERM_RATIO 0    /* max(-A r, -A clip(r, 1 - clip_low, 1 + clip_high)) */
#define LLASA_POLICY_TERM_LOG_PROB 1 /* -A logp: REINFORCE, and cross-entropy where every A is 1 */

#define LLASA_RATIO_TOKEN 0    /* r = exp(logp - old) of the token */
#define LLASA_RATIO_SEQUENCE 1 /* r = exp(mean of logp - old over the sequence's tokens that count) */

#define LLASA_KL_K3 0 /* exp(ref - logp) - (ref - logp) - 1 */
#define LLASA_KL_K1 1 /* logp - ref; as a loss its gradient is 0 in expectation: meant for rewards */
#define LLASA_KL_K2 2 /* (logp - ref)^2 / 2 */

/* The loss of a step is the sum over its llasa_trainer_accumulate calls, of their scored tokens, of
 *   policy_weight min(policy term, policy_cap)  +  kl_weight (k1, k2 or k3)  -  entropy_weight entropy.
 * log-ratios are clamped to +-20 before exp and k3 to 10, as verl does. With LLASA_RATIO_SEQUENCE every token
 * of a sequence has the sequence's ratio; d r / d logp is then r / length if the weights are 1 / length
 * (arXiv 2507.18071). The ratios need all log-probs of a sequence first: where a micro-batch has more rows
 * than chunk_tokens, its head is computed twice. */
typedef struct llasa_loss_options {
  uint32_t struct_size;
  int32_t policy_term;  /* LLASA_POLICY_TERM_*; default LLASA_POLICY_TERM_RATIO */
  int32_t ratio;        /* LLASA_RATIO_*; default LLASA_RATIO_TOKEN; not used by LLASA_POLICY_TERM_LOG_PROB */
  int32_t kl_estimator; /* LLASA_KL_*; default LLASA_KL_K3 */
  float clip_low;       /* default 0.2 */
  float clip_high;      /* default 0.2 */
} llasa_loss_options;

LLASA_API void llasa_loss_options_init(llasa_loss_options* options);

/* What an algorithm comes to, per scored token: [N] each, N as in llasa_token_batch. Aggregation, masks,
 * importance weights and coefficients are in the weights. A token whose weights are all 0 does not count: its
 * other entries may be anything, and no statistic and no sequence's ratio knows of it. */
typedef struct llasa_token_terms {
  uint32_t struct_size;
  uint32_t reserved;
  const float* advantages;
  const float* policy_weights;  /* >= 0 */
  const float* kl_weights;      /* NULL = no KL term */
  const float* entropy_weights; /* NULL = no entropy term */
  const float* old_logprobs;    /* NULL = the current log-probs: every ratio is exactly 1 */
  const float* ref_logprobs;    /* NULL = no KL statistics, and only without kl_weights */
  const float* policy_caps; /* largest policy term (dual clip: -A c where A < 0); infinity = none; NULL = none
                               at all */
} llasa_token_terms;

/* Sums over the tokens of one call that count (add the calls of a step, divide by tokens for means). */
typedef struct llasa_loss_stats {
  uint32_t struct_size;
  uint32_t reserved;
  double loss;        /* contribution to the step's loss */
  double policy_loss; /* its policy part */
  double tokens;      /* that count */
  double kl_sum;      /* kl_estimator against the reference; 0 without one */
  double entropy_sum;
  double ratio_sum;
  double approx_kl_sum; /* old - logp */
  double clipped_low;   /* tokens whose clipped term was taken, by side; */
  double clipped_high;
  double capped;          /* tokens at their policy_cap */
  double logprob_gap_sum; /* |old - logp| */
  double logprob_gap_max;
  double computed_tokens; /* tokens the forward pass ran over, shared prompts counted once */
} llasa_loss_stats;

/* Forward and backward over a batch, in micro-batches; adds to the gradients. out_logprobs [N] or NULL: the
 * current log-probs, of tokens that do not count as well. out_stats: struct_size set by the caller. */
LLASA_API LLASA_MUST_USE llasa_status llasa_trainer_accumulate(
    llasa_trainer* trainer, const llasa_token_batch* batch, const llasa_head_options* head,
    const llasa_loss_options* loss, const llasa_token_terms* terms, llasa_progress_callback progress,
    void* progress_user, float* out_logprobs, llasa_loss_stats* out_stats);

typedef struct llasa_step_stats {
  uint32_t struct_size;
  int32_t skipped;   /* 1 = a gradient was not finite: weights and moments untouched, gradients cleared */
  double grad_norm;  /* before clipping; NaN or infinity when skipped */
  double grad_scale; /* factor clipping applied */
  int64_t step;      /* optimiser steps taken so far */
} llasa_step_stats;

/* Adds up the gradients of all ranks, those of a rank that accumulated nothing as well; llasa_trainer_step is
 * LLASA_ERR_STATE without it where there are several. Alone it does nothing. */
LLASA_API LLASA_MUST_USE llasa_status llasa_trainer_reduce(llasa_trainer* trainer);
/* One AdamW step with the accumulated gradients, then clears them. */
LLASA_API LLASA_MUST_USE llasa_status llasa_trainer_step(llasa_trainer* trainer, float learning_rate,
                                                         llasa_step_stats* out_stats);
LLASA_API LLASA_MUST_USE llasa_status llasa_trainer_zero_grad(llasa_trainer* trainer);

#define LLASA_STATE_GRADIENT 0
#define LLASA_STATE_MOMENT1 1
#define LLASA_STATE_MOMENT2 2

/* Gradient or moment of the parameter `name`, f32, `count` elements = its size. Among several ranks each one calls
 * get_state for the same names in the same order: moments, and gradients after llasa_trainer_reduce, are brought
 * together. set_state is given the whole: of moments a rank keeps its share, of gradients all, as its own summand
 * in the sum that llasa_trainer_reduce forms; gradients with shard_weights cannot be set (LLASA_ERR_STATE). */
LLASA_API LLASA_MUST_USE llasa_status llasa_trainer_get_state(llasa_trainer* trainer, int32_t kind,
                                                              const char* name, float* out_data,
                                                              int64_t count);
LLASA_API LLASA_MUST_USE llasa_status llasa_trainer_set_state(llasa_trainer* trainer, int32_t kind,
                                                              const char* name, const float* data,
                                                              int64_t count);
/* Number of optimiser steps taken (bias correction uses it), for saving and resuming. */
LLASA_API LLASA_MUST_USE llasa_status llasa_trainer_get_step(llasa_trainer* trainer, int64_t* out_step);
LLASA_API LLASA_MUST_USE llasa_status llasa_trainer_set_step(llasa_trainer* trainer, int64_t step);

/* -------------------------------------------------------------------------------------------- codec */

/* X-Codec2 (transformers.Xcodec2Model, github zhenye234/X-Codec-2.0): codes to waveform and back. */
typedef struct llasa_codec llasa_codec;

/* Layouts of a checkpoint. It may hold tensors that no computation reads. llasa_codec_set_tensor refuses them
 * like any unknown name (LLASA_ERR_NAME); a loader skips names that match, * standing for any text:
 *   both layouts  *.filter  *.window  *.masked_spec_embed
 *   HF            semantic_encoder.encoder.layers.N.* with N >= semantic_num_layers
 *   ORIGINAL      semantic_model.encoder.layers.N.* with N >= semantic_num_layers (the published checkpoint
 *                 has one); and, should an export carry them, SemanticDecoder_module.*  fc_post_s.*
 * Encoder tensors are optional: without all of them a codec decodes, and llasa_codec_encode is
 * LLASA_ERR_STATE. */
#define LLASA_CODEC_LAYOUT_HF 0       /* parameter names and q/k row order of Xcodec2Model */
#define LLASA_CODEC_LAYOUT_ORIGINAL 1 /* of the published HKUSTAudio/xcodec2 checkpoint */

typedef struct llasa_codec_options {
  uint32_t struct_size;
  int32_t layout;      /* LLASA_CODEC_LAYOUT_* of the tensors that will be set */
  int32_t hidden_size; /* decoder transformer */
  int32_t intermediate_size;
  int32_t num_layers;
  int32_t num_heads;
  int32_t head_dim;
  float rms_norm_eps;
  int32_t quantization_dim;
  int32_t num_levels;          /* entries used of levels */
  int32_t levels[16];          /* FSQ levels, least significant digit first */
  int32_t num_ratios;          /* entries used of ratios; hop = their product */
  int32_t ratios[16];          /* downsampling ratios of the acoustic encoder */
  int32_t encoder_hidden_size; /* channels of the acoustic encoder's first convolution */
  int32_t sampling_rate_hz;    /* 16000 */
  /* semantic model (Wav2Vec2-BERT), needed for encoding only */
  int32_t semantic_hidden_size;
  int32_t semantic_num_layers; /* layers used */
  int32_t semantic_num_heads;
  int32_t semantic_intermediate_size;
  int32_t semantic_feature_dim;     /* 160 */
  int32_t semantic_conv_kernel;     /* 31 */
  int32_t semantic_left_positions;  /* 64 */
  int32_t semantic_right_positions; /* 8 */
  float semantic_layer_norm_eps;    /* 1e-5 */
  llasa_dtype compute_dtype; /* of the decoder's matrices and filters, its head excepted; default LLASA_F32.
                                LLASA_BF16: half the memory, sums in f32; LLASA_Q8; encoding is f32 always */
  int32_t device; /* index of the device it lives on; -1 = the process's (LLASA_DEVICE, else that of its place
                     among the ranks of its machine, else 0), the default. LLASA_ERR_NO_DEVICE if there is none of
                     that index */
} llasa_codec_options;

LLASA_API void llasa_codec_options_init(llasa_codec_options* options);
LLASA_API LLASA_MUST_USE llasa_status llasa_codec_create(const llasa_codec_options* options,
                                                         llasa_codec** out);
LLASA_API void llasa_codec_destroy(llasa_codec* codec);
LLASA_API LLASA_MUST_USE llasa_status llasa_codec_tensor_count(llasa_codec* codec, int64_t* out_count);
LLASA_API LLASA_MUST_USE llasa_status llasa_codec_tensor_info(llasa_codec* codec, int64_t index,
                                                              llasa_tensor_info* out_info);
LLASA_API LLASA_MUST_USE llasa_status llasa_codec_set_tensor(llasa_codec* codec, const char* name,
                                                             llasa_dtype dtype, const int64_t* shape,
                                                             int32_t rank, const void* data);
/* Samples per code and number of codes (product of the levels). */
LLASA_API LLASA_MUST_USE llasa_status llasa_codec_geometry(llasa_codec* codec, int32_t* out_hop,
                                                           int32_t* out_num_codes);

/* Codes to waveforms, a batch of different lengths. code_offsets [B+1]; codes [code_offsets[B]] each in
 * [0, num_codes); out_waveforms f32 [code_offsets[B] * hop], clip b at code_offsets[b] * hop, not clamped.
 * Up to rounding, a clip's samples do not depend on the others in the batch. */
LLASA_API LLASA_MUST_USE llasa_status llasa_vocode(llasa_codec* codec, int64_t num_clips,
                                                   const int64_t* code_offsets, const int32_t* codes,
                                                   float* out_waveforms);
/* llasa_vocode with codes and out_waveforms on the codec's device, code_offsets on the host. It waits for the codes,
 * and so for the work that `stream` holds, to check them as llasa_vocode does; but not for the sound, unless memory
 * has to grow for more codes than the codec had before. */
LLASA_API LLASA_MUST_USE llasa_status llasa_vocode_on_device(llasa_codec* codec, void* stream,
                                                             int64_t num_clips, const int64_t* code_offsets,
                                                             const int32_t* codes, float* out_waveforms);
/* Waveform (16 kHz, num_samples >= 1) to codes. capacity >= num_samples / hop + 1; out_count of them
 * written. */
LLASA_API LLASA_MUST_USE llasa_status llasa_codec_encode(llasa_codec* codec, const float* waveform,
                                                         int64_t num_samples, int32_t* out_codes,
                                                         int64_t capacity, int64_t* out_count);

/* ------------------------------------------------------------------------------------------ whisper */

/* transformers.WhisperForConditionalGeneration of any size. */
typedef struct llasa_whisper llasa_whisper;

typedef struct llasa_whisper_options {
  uint32_t struct_size;
  int32_t vocab_size;
  int32_t num_mel_bins; /* 80 or 128 */
  int32_t d_model;
  int32_t encoder_layers;
  int32_t encoder_heads;
  int32_t encoder_ffn_dim;
  int32_t decoder_layers;
  int32_t decoder_heads;
  int32_t decoder_ffn_dim;
  int32_t max_source_positions; /* encoder positions; a window is 2 * this mel frames of 10 ms */
  int32_t max_target_positions; /* longest decoder sequence, in tokens */
  int32_t scale_embedding;      /* 0 or 1 */
  int32_t eot_token;            /* <|endoftext|> */
  llasa_dtype compute_dtype; /* of matrices, filters and the token embedding; default LLASA_F32. LLASA_BF16:
                                half the memory, sums in f32; LLASA_Q8, then cached keys and values are bf16 */
  int32_t device;            /* as llasa_codec_options.device */
  int64_t cache_bytes; /* most memory for keys and values of clips that are scored together, >= 1; default
                                4 GiB. As many clips as fit, one at least, go through the decoder together */
} llasa_whisper_options;

LLASA_API void llasa_whisper_options_init(llasa_whisper_options* options);
LLASA_API LLASA_MUST_USE llasa_status llasa_whisper_create(const llasa_whisper_options* options,
                                                           llasa_whisper** out);
LLASA_API void llasa_whisper_destroy(llasa_whisper* whisper);
LLASA_API LLASA_MUST_USE llasa_status llasa_whisper_tensor_count(llasa_whisper* whisper, int64_t* out_count);
LLASA_API LLASA_MUST_USE llasa_status llasa_whisper_tensor_info(llasa_whisper* whisper, int64_t index,
                                                                llasa_tensor_info* out_info);
LLASA_API LLASA_MUST_USE llasa_status llasa_whisper_set_tensor(llasa_whisper* whisper, const char* name,
                                                               llasa_dtype dtype, const int64_t* shape,
                                                               int32_t rank, const void* data);

/* Log-mel of one window as openai/whisper log_mel_spectrogram: the waveform is cut or zero-padded at its end
 * to the window. out_features f32 [num_mel_bins, 2 * max_source_positions]. */
LLASA_API LLASA_MUST_USE llasa_status llasa_whisper_log_mel(llasa_whisper* whisper, const float* waveform,
                                                            int64_t num_samples, float* out_features);
/* Encoder output of log-mel features [num_clips, num_mel_bins, 2 * max_source_positions];
 * out_states [num_clips, max_source_positions, d_model]. For checks. */
LLASA_API LLASA_MUST_USE llasa_status llasa_whisper_encode(llasa_whisper* whisper, const float* features,
                                                           int64_t num_clips, float* out_states);
/* Teacher-forced decoder logits for one clip: states [max_source_positions, d_model], out_logits
 * [num_tokens, V]. For checks. */
LLASA_API LLASA_MUST_USE llasa_status llasa_whisper_logits(llasa_whisper* whisper, const float* states,
                                                           const int32_t* token_ids, int64_t num_tokens,
                                                           float* out_logits);

/* Why a transcript ended before its model ended it. */
#define LLASA_ENDED_NO 0         /* it did not */
#define LLASA_ENDED_LENGTH 1     /* max_characters */
#define LLASA_ENDED_LOOP 2       /* it repeated itself, with loop_characters or more */
#define LLASA_ENDED_EMPTY_LOOP 3 /* it repeated ids without characters; only that window's part ended */

/* What to do with a batch of clips. Transcription is greedy: from the prompt until eot (the model's or one of
 * end_ids), max_new_tokens or max_target_positions. suppress ids get -inf always, begin_suppress ids at the
 * first generated token.
 * With id_characters a transcript also ends where it has max_characters, or where its last ids are three or
 * more times the same up to 32 ids and it has loop_characters, or where such a repetition goes on for 32 ids
 * or more without a character. */
typedef struct llasa_whisper_request {
  uint32_t struct_size;
  int32_t max_new_tokens;          /* M; 0 = no transcription */
  int64_t num_clips;               /* B */
  const int64_t* waveform_offsets; /* [B+1] */
  const float* waveforms;          /* f32 16 kHz, [waveform_offsets[B]] */
  const int32_t* prompt_ids; /* [prompt_length] start of every transcript, e.g. sot, en, transcribe, .. */
  int64_t prompt_length;
  int32_t language_slot;        /* index in prompt_ids replaced by the detected language; -1 = given */
  int32_t first_language_token; /* without language_ids the languages are [first, first + num_languages) */
  int32_t num_languages;
  int32_t no_speech_token;     /* its probability right after sot is reported; -1 = none */
  const int32_t* suppress_ids; /* [num_suppress] */
  int64_t num_suppress;
  const int32_t* begin_suppress_ids; /* [num_begin_suppress] */
  int64_t num_begin_suppress;
  const int64_t* target_offsets; /* [B+1] teacher-forced sequences, prompt and eot included; NULL = no NLL */
  const int32_t* target_ids;     /* [target_offsets[B]] */
  const int32_t* target_first;   /* [B] first scored index >= 1; the mean runs to the sequence's end */
  int32_t target_language_slot;  /* as language_slot, for target_ids; -1 = given */
  int32_t reserved;
  int32_t min_window_samples;  /* fewest of a second or later window that is transcribed; 0 = all are */
  float silence_rms;           /* least root mean square (full scale 1) of such a window; 0 = any */
  const int32_t* language_ids; /* [num_language_ids] the languages, in any order */
  int64_t num_language_ids;    /* 0 = those from first_language_token on */
  const int32_t* end_ids;      /* [num_end_ids] ids that end a transcript as eot_token does, beside it */
  int64_t num_end_ids;
  const int32_t* id_characters;   /* [V] characters an id adds to a transcript; NULL = none ends early */
  const int64_t* max_characters;  /* [B] */
  const int64_t* loop_characters; /* [B] */
} llasa_whisper_request;

typedef struct llasa_whisper_result {
  uint32_t struct_size;
  uint32_t reserved;
  int32_t* tokens;        /* [B, M] generated ids, eot included when reached; unused entries -1 */
  int32_t* lengths;       /* [B] ids in tokens, eot not counted */
  float* mean_logprobs;   /* [B] mean log-prob of the generated ids, eot included; may be NULL */
  float* no_speech_probs; /* [B]; may be NULL */
  int32_t* languages;     /* [B] token of the language used, -1 when the prompt has none; may be NULL */
  float* mean_nlls;       /* [B] mean teacher-forced NLL in nats; may be NULL when no targets */
  double codec_seconds;   /* of llasa_whisper_score_codes: until the waveforms were there */
  int32_t* ended_early;   /* [B] LLASA_ENDED_*; may be NULL */
} llasa_whisper_result;

/* Transcript and NLL from one encoder pass. Clips longer than one window are transcribed window after window
 * (ids concatenated, M shared), without the windows that min_window_samples and silence_rms leave out: a
 * recogniser invents words for them. The NLL is of the first window, as the reference's pad_or_trim does. */
LLASA_API LLASA_MUST_USE llasa_status llasa_whisper_score(llasa_whisper* whisper,
                                                          const llasa_whisper_request* request,
                                                          llasa_whisper_result* result);

/* llasa_vocode and llasa_whisper_score in one call; the waveform stays on the device in between, which must
 * be one for both. request's waveform fields are ignored. out_waveforms [code_offsets[B] * hop] or NULL;
 * where it is given, a waveform that is not finite is refused as llasa_whisper_score does. A clip without
 * codes is scored as silence. */
LLASA_API LLASA_MUST_USE llasa_status llasa_whisper_score_codes(
    llasa_whisper* whisper, llasa_codec* codec, const int64_t* code_offsets, const int32_t* codes,
    const llasa_whisper_request* request, llasa_whisper_result* result, float* out_waveforms);

/* ------------------------------------------------------------------------------------------- memory plan */

/* A run to be planned; absent parts (NULL) take nothing. */
typedef struct llasa_memory_plan_options {
  uint32_t struct_size;
  uint32_t for_gpu;                      /* 1 = as the CUDA backend takes it; default 0: as this one does */
  const llasa_policy_options* policy;    /* needed by all but codec and whisper */
  const llasa_policy_options* reference; /* a frozen starting policy that scores every step; with `lora` it is
                                            the policy without its adapter, and no copy is made */
  const llasa_lora_options* lora;        /* an adapter is trained in place of all weights */
  const llasa_trainer_options* trainer;
  const llasa_head_options* head; /* NULL: defaults */
  const llasa_rollout_options* rollout;
  const llasa_sampling_options* sampling; /* NULL: defaults; its stop token is not used */
  const llasa_codec_options* codec;
  const llasa_whisper_options* whisper;
  int64_t num_prompts;        /* of a step, >= 1; default 1, as all below */
  int64_t samples_per_prompt; /* >= 1 */
  int64_t prompt_tokens;      /* of the longest prompt, >= 1 */
  int64_t response_tokens;    /* of the longest response, >= 1; every one is taken to be so long */
  int64_t clips;              /* vocoded and listened to together, >= 1 */
  int64_t text_tokens;        /* of the longest transcript, >= 1 */
} llasa_memory_plan_options;

typedef struct llasa_memory_item {
  uint32_t struct_size;
  uint32_t on_host;  /* 1 = page-locked memory of the host, of which the peak has nothing */
  const char* stage; /* policy, optimiser, rollouts, reference, training, codec, recogniser; phases for the
                        memory that those share. Lifetime: until the thread's next plan */
  const char* what;  /* what it is allocated for, as in an out-of-memory message. Lifetime: as stage */
  int64_t bytes;     /* when there was most of it */
  uint32_t in_turn; /* 1 = there while its phase runs, in memory of stage phases, which counts in its place */
  uint32_t reserved;
} llasa_memory_item;

LLASA_API void llasa_memory_plan_options_init(llasa_memory_plan_options* options);

/* Counts the device memory of a run: makes its models and takes one step with the code that a run uses, but
 * allocates, copies and computes nothing. Errors are those of making and using the models. out_count items
 * come to be read by llasa_memory_plan_item on the same thread; out_peak_bytes: most that is live at once
 * (what cuBLAS and the driver keep for themselves is not in it). For a GPU it needs none: what one keeps in bf16 is
 * counted so, and the scratch memory of its kernels as on the card where they take most; 8-bit weights are refused.
 * Threads: any; others are not disturbed. */
LLASA_API LLASA_MUST_USE llasa_status llasa_plan_memory(const llasa_memory_plan_options* options,
                                                        int64_t* out_count, int64_t* out_peak_bytes);
/* Item 0 <= index < out_count of the calling thread's last plan. out_item: struct_size set by the caller. */
LLASA_API LLASA_MUST_USE llasa_status llasa_memory_plan_item(int64_t index, llasa_memory_item* out_item);

#ifdef __cplusplus
}
#endif

#endif /* LLASA_NATIVE_H */
