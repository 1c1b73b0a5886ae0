namespace LlasaNative.BindingGenerator;

/// <summary>
/// What a C declaration cannot say: which integers are enumerations and how long arrays are. A pointer that is
/// not described here stops the generator, so a new function cannot slip through unchecked.
/// </summary>
internal static class Annotations
{
    /// <summary>Prefix (or full name, one each) of macros, and the enumeration they form.</summary>
    public static readonly (string Enum, string Doc, string[] Macros)[] Enums =
    [
        ("LlasaStatus", "Status of a native call.", ["LLASA_OK", "LLASA_ERR_"]),
        ("NativeDType", "Element type of a tensor that crosses the ABI, and how a model keeps its matrices.", ["LLASA_F32", "LLASA_F16", "LLASA_BF16", "LLASA_Q8"]),
        ("NativeRopeType", "Kind of rotary embedding scaling.", ["LLASA_ROPE_"]),
        ("NativeFinishReason", "Why a rollout ended.", ["LLASA_FINISH_"]),
        ("NativeAdvantageEstimator", "How group-relative advantages are formed.", ["LLASA_ADVANTAGE_"]),
        ("NativePolicyTerm", "What the policy term of a loss is of.", ["LLASA_POLICY_TERM_"]),
        ("NativeLoraTargets", "Projections an adapter stands beside; they add up.", ["LLASA_LORA_"]),
        ("NativeRatioLevel", "What a probability ratio is of.", ["LLASA_RATIO_"]),
        ("NativeKlEstimator", "How the KL divergence from the reference is estimated.", ["LLASA_KL_"]),
        ("NativeTrainerState", "An array the trainer keeps for each parameter.", ["LLASA_STATE_"]),
        ("NativeEarlyEnd", "Why a transcript ended before its model ended it.", ["LLASA_ENDED_"]),
        ("NativeCodecLayout", "Parameter names a codec is loaded with.", ["LLASA_CODEC_LAYOUT_"]),
    ];

    /// <summary>Typedefs, fields and parameters that hold an enumeration.</summary>
    public static readonly Dictionary<string, string> EnumTyped = new()
    {
        ["llasa_status"] = "LlasaStatus",
        ["llasa_dtype"] = "NativeDType",
        ["llasa_policy_options.rope_type"] = "NativeRopeType",
        ["llasa_loss_options.policy_term"] = "NativePolicyTerm",
        ["llasa_lora_options.targets"] = "NativeLoraTargets",
        ["llasa_loss_options.ratio"] = "NativeRatioLevel",
        ["llasa_loss_options.kl_estimator"] = "NativeKlEstimator",
        ["llasa_codec_options.layout"] = "NativeCodecLayout",
        ["llasa_group_advantage.estimator"] = "NativeAdvantageEstimator",
        ["llasa_group_advantage_on_device.estimator"] = "NativeAdvantageEstimator",
        ["llasa_trainer_get_state.kind"] = "NativeTrainerState",
        ["llasa_trainer_set_state.kind"] = "NativeTrainerState",
    };

    /// <summary>Functions whose pointers only hand-written code can check; no wrapper is generated.</summary>
    public static readonly HashSet<string> HandWritten =
    [
        "llasa_buffer_data",
        "llasa_policy_tensor_info", "llasa_codec_tensor_info", "llasa_whisper_tensor_info",
        "llasa_policy_tensor_data", "llasa_policy_logits", "llasa_policy_logprobs",
        "llasa_rollout_generate",
        "llasa_trainer_accumulate",
        "llasa_vocode", "llasa_vocode_on_device", "llasa_sample_on_device", "llasa_group_advantage_on_device",
        "llasa_whisper_log_mel", "llasa_whisper_encode", "llasa_whisper_logits",
        "llasa_whisper_score", "llasa_whisper_score_codes",
        "llasa_plan_memory", "llasa_memory_plan_item",
    ];

    /// <summary>
    /// Array parameters, each with the least length as an expression over the C# parameters ("" = its own
    /// length is the count), and count parameters with the array they count ("#array").
    /// A leading "?" allows the array to be left out.
    /// </summary>
    public static readonly Dictionary<string, string> Arrays = Expand(
    [
        ("llasa_*_set_tensor", "shape", ""),
        ("llasa_*_set_tensor", "rank", "#shape"),
        ("llasa_*_set_tensor", "data", "NativeTensor.SizeInBytes(shape, dtype)"),
        ("llasa_policy_get_tensor", "out_data", ""),
        ("llasa_policy_get_tensor", "size_bytes", "#outData"),
        ("llasa_policy_get_merged_tensor", "out_data", ""),
        ("llasa_policy_get_merged_tensor", "size_bytes", "#outData"),
        ("llasa_sample", "logits", "checked(rows * vocabSize)"),
        ("llasa_sample", "history_offsets", "?rows + 1"),
        ("llasa_sample", "history_ids", "?Checks.Offsets(historyOffsets, nameof(historyOffsets))"),
        ("llasa_sample", "sequence_ids", "rows"),
        ("llasa_sample", "positions", "rows"),
        ("llasa_sample", "out_ids", "rows"),
        ("llasa_sample", "out_logprobs", "rows"),
        ("llasa_sampling_distribution", "logits", "checked(rows * vocabSize)"),
        ("llasa_sampling_distribution", "history_offsets", "?rows + 1"),
        ("llasa_sampling_distribution", "history_ids", "?Checks.Offsets(historyOffsets, nameof(historyOffsets))"),
        ("llasa_sampling_distribution", "out_probs", "checked(rows * vocabSize)"),
        ("llasa_group_advantage", "rewards", ""),
        ("llasa_group_advantage", "count", "#rewards"),
        ("llasa_group_advantage", "group_ids", "rewards.Length"),
        ("llasa_group_advantage", "mask", "?rewards.Length"),
        ("llasa_group_advantage", "out_advantages", "rewards.Length"),
        ("llasa_world_broadcast", "data", ""),
        ("llasa_world_broadcast", "size_bytes", "#data"),
        ("llasa_world_all_gather", "data", ""),
        ("llasa_world_all_gather", "size_bytes", "#data"),
        ("llasa_world_all_gather", "sizes", ""),
        ("llasa_world_all_gather", "num_sizes", "#sizes"),
        ("llasa_world_all_gather", "out_data", ""),
        ("llasa_world_all_gather", "out_size_bytes", "#outData"),
        ("llasa_world_all_reduce", "values", ""),
        ("llasa_world_all_reduce", "count", "#values"),
        ("llasa_trainer_get_state", "out_data", ""),
        ("llasa_trainer_get_state", "count", "#outData"),
        ("llasa_trainer_set_state", "data", ""),
        ("llasa_trainer_set_state", "count", "#data"),
        ("llasa_codec_encode", "waveform", ""),
        ("llasa_codec_encode", "num_samples", "#waveform"),
        ("llasa_codec_encode", "out_codes", ""),
        ("llasa_codec_encode", "capacity", "#outCodes"),
    ]);

    /// <summary>Pointers to one number that a call fills in.</summary>
    public static readonly HashSet<string> ScalarOutputs =
        ["out_bytes", "out_count", "out_step", "out_hop", "out_num_codes"];

    private static Dictionary<string, string> Expand((string Function, string Parameter, string Rule)[] rows)
    {
        var result = new Dictionary<string, string>();
        foreach (var (function, parameter, rule) in rows)
        {
            string[] owners = function.Contains('*', StringComparison.Ordinal) ? ["policy", "codec", "whisper"] : [""];
            foreach (var owner in owners)
            {
                result.Add($"{function.Replace("*", owner, StringComparison.Ordinal)}.{parameter}", rule);
            }
        }

        return result;
    }
}
