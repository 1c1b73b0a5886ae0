using System.Text.Json.Serialization;

namespace LlasaNative.Trainer.Serving.Speech;

/// <summary>Body of <c>POST /v1/audio/speech</c>: OpenAI's fields, and how speech is drawn.</summary>
internal sealed record SpeechRequest
{
    /// <summary>Name of the model; null = the one there is.</summary>
    public string? Model { get; init; }

    /// <summary>What to say.</summary>
    public string? Input { get; init; }

    /// <summary>Name of a voice, or an object with its <c>id</c>; null = the model's own.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public JsonElement Voice { get; init; }

    /// <summary>mp3, opus, aac, flac, wav or pcm; null = mp3, or wav without ffmpeg.</summary>
    public string? ResponseFormat { get; init; }

    /// <summary>audio: sound as it is drawn; sse: the same in events; null = the whole sound at once.</summary>
    public string? StreamFormat { get; init; }

    /// <summary>Whether sound is wanted while it is drawn: not OpenAI's, but many clients'; null = as <see cref="StreamFormat"/> says.</summary>
    public bool? Stream { get; init; }

    /// <summary>Only 1.</summary>
    public double? Speed { get; init; }

    /// <summary>Only empty.</summary>
    public string? Instructions { get; init; }

    /// <summary>Key of the random numbers; null = another each time.</summary>
    public long? Seed { get; init; }

    /// <summary>Softmax temperature; null = the server's.</summary>
    public double? Temperature { get; init; }

    /// <summary>Draw from the smallest set of tokens with this much probability; null = the server's.</summary>
    public double? TopP { get; init; }

    /// <summary>Draw from the k most probable tokens; null = the server's.</summary>
    public int? TopK { get; init; }
}

/// <summary>An event that carries sound, base64.</summary>
internal sealed record AudioDelta(string Type, byte[] Audio);

/// <summary>The event behind the last sound.</summary>
internal sealed record AudioDone(string Type, SpeechUsage Usage);

/// <summary>What a request came to: tokens of its prompts and of its speech.</summary>
internal sealed record SpeechUsage(int InputTokens, int OutputTokens, int TotalTokens);

/// <summary>An error.</summary>
internal sealed record ErrorAnswer(ErrorDetail Error);

/// <summary>What an error says.</summary>
internal sealed record ErrorDetail(string Message, string Type, string? Param, string? Code);

/// <summary>Answer of <c>GET /v1/models</c>.</summary>
internal sealed record ModelList(string Object, ModelEntry[] Data);

/// <summary>A model.</summary>
internal sealed record ModelEntry(string Id, string Object, long Created, string OwnedBy);

/// <summary>Answer of <c>GET /v1/audio/voices</c>.</summary>
internal sealed record VoiceList(VoiceEntry[] Voices);

/// <summary>A voice: what is said in its sound, and how long that is; neither of the model's own.</summary>
internal sealed record VoiceEntry(string Id, string Name, string? Text, double? Seconds);

/// <summary>Answer of <c>GET /healthz</c>.</summary>
internal sealed record SpeechHealth(
    string Status, string Model, string Backend, string Device, int Threads, int QueueDepth, int QueueCapacity, int Speaking, int SampleRate, string Version);

/// <summary>How the bodies are written and read: snake_case names, nothing twice; unknown fields are passed over.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, AllowDuplicateProperties = false, MaxDepth = 8, DefaultIgnoreCondition = JsonIgnoreCondition.Never)]
[JsonSerializable(typeof(SpeechRequest))]
[JsonSerializable(typeof(AudioDelta))]
[JsonSerializable(typeof(AudioDone))]
[JsonSerializable(typeof(ErrorAnswer))]
[JsonSerializable(typeof(ModelList))]
[JsonSerializable(typeof(ModelEntry))]
[JsonSerializable(typeof(VoiceList))]
[JsonSerializable(typeof(VoiceEntry))]
[JsonSerializable(typeof(SpeechHealth))]
internal sealed partial class SpeechJson : JsonSerializerContext;
