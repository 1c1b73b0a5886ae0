using System.Collections.Concurrent;
using System.Text.RegularExpressions;

namespace LlasaNative.Text;

/// <summary>
/// Builds the prompt that makes a Llasa model speak a text: a user turn that asks for it and an assistant turn left open
/// after <c>&lt;|SPEECH_GENERATION_START|&gt;</c>. Data filtering, training and synthesis all use this one.
/// </summary>
/// <remarks>
/// <para>The ids equal those of the model's chat template with the final message continued. The text itself is encoded
/// without the tokens that steer the model, so no text can smuggle one in; words added to the vocabulary are its tokens.</para>
/// <para><b>Threads:</b> any number may encode at once.</para>
/// </remarks>
/// <example>
/// <code>
/// LlasaPrompt prompt = LlasaPrompt.Create(ByteLevelBpe.FromDirectory(model.Path));
/// int[] ids = prompt.Encode("a big dog");
/// </code>
/// </example>
public sealed partial class LlasaPrompt
{
    internal const string TextStart = "<|TEXT_UNDERSTANDING_START|>";
    internal const string TextEnd = "<|TEXT_UNDERSTANDING_END|>";
    private readonly ConcurrentDictionary<string, bool> _told = new(StringComparer.Ordinal);
    private readonly int[] _beforeIds;
    private readonly int[] _afterIds;

    private LlasaPrompt(ByteLevelBpe tokenizer, PromptStyle style, PromptOptions options)
    {
        Tokenizer = tokenizer;
        Style = style;
        Speech = SpeechTokens.Find(tokenizer);
        foreach (string token in new[] { "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", TextStart, TextEnd })
        {
            _ = SpeechTokens.Require(tokenizer, token);
        }

        string system = style == PromptStyle.Llama32
            ? Header("system") + $"Cutting Knowledge Date: December 2023\nToday Date: {options.Date}\n\n<|eot_id|>"
            : string.Empty;
        _beforeIds = tokenizer.Encode("<|begin_of_text|>" + system + Header("user") + options.Instruction + TextStart);
        _afterIds = tokenizer.Encode(TextEnd + "<|eot_id|>" + Header("assistant") + SpeechTokens.StartToken);
    }

    /// <summary>The tokenizer in use.</summary>
    public ByteLevelBpe Tokenizer { get; }

    /// <summary>The speech tokens of the tokenizer.</summary>
    public SpeechTokens Speech { get; }

    /// <summary>The template in use, never <see cref="PromptStyle.Auto"/>.</summary>
    public PromptStyle Style { get; }

    /// <summary>Number of tokens that every prompt has besides its text.</summary>
    public int OverheadTokens => _beforeIds.Length + _afterIds.Length;

    /// <summary>Prepares prompts for a tokenizer.</summary>
    /// <param name="tokenizer">A Llasa tokenizer.</param>
    /// <param name="options">Template, date and instruction; null for the defaults.</param>
    /// <exception cref="ModelFileException">The tokenizer lacks a token that the prompt needs, or its chat template cannot be read.</exception>
    public static LlasaPrompt Create(ByteLevelBpe tokenizer, PromptOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        options ??= new PromptOptions();
        PromptStyle style = options.Style == PromptStyle.Auto
            ? DetectStyle(System.IO.Path.GetDirectoryName(tokenizer.Path) ?? string.Empty)
            : options.Style;
        return new LlasaPrompt(tokenizer, style, options);
    }

    /// <summary>The template of a model directory, by its <c>chat_template</c>.</summary>
    /// <param name="directory">Directory with <c>tokenizer_config.json</c> or <c>chat_template.jinja</c>; both may be absent.</param>
    /// <exception cref="ModelFileException"><c>tokenizer_config.json</c> is malformed.</exception>
    public static PromptStyle DetectStyle(string directory)
    {
        string template = System.IO.Path.Combine(directory, "chat_template.jinja");
        string config = System.IO.Path.Combine(directory, "tokenizer_config.json");
        string text = string.Empty;
        if (File.Exists(template))
        {
            text = Encoding.UTF8.GetString(FileErrors.ReadAllBytes(template));
        }
        else if (File.Exists(config) && JsonFields.FromFile(config).TryGet("chat_template", out JsonElement value))
        {
            // A string, or a list of named templates.
            text = value.GetRawText();
        }

        bool Has(string part) => text.Contains(part, StringComparison.Ordinal);
        if (Has("Cutting Knowledge Date"))
        {
            return PromptStyle.Llama32;
        }

        string? odd = text.Length == 0 ? null
            : !Has("<|start_header_id|>") ? "is not Llama 3's"
            : Has("system<|end_header_id|>") ? "has a system turn of its own"
            : !Has("bos_token") && !Has("<|begin_of_text|>") ? "does not begin with <|begin_of_text|>" : null;
        if (odd is not null)
        {
            LlasaEventSource.Log.Warned($"{directory}: its chat template {odd}, so prompts are not what Transformers makes of it but in the plain style of Llama 3; "
                + "`prompt.style` says so without this warning");
        }

        return PromptStyle.Plain;
    }

    /// <summary>Encodes the prompt for a text.</summary>
    /// <param name="text">What to say; not empty or only white space.</param>
    /// <param name="voice">
    /// Whose voice is to go on, null for any: what it says stands before the text, with a space between, and its codes begin the
    /// speech, as Llasa's authors publish it.
    /// </param>
    /// <returns>Token ids, the last of which is <c>&lt;|SPEECH_GENERATION_START|&gt;</c> or the voice's last code.</returns>
    /// <exception cref="UsageException">The text is empty, or the voice has a code that is none.</exception>
    public int[] Encode(string text, Utterance? voice = null)
    {
        UsageException.ThrowIf(string.IsNullOrWhiteSpace(text), "the text to speak is empty");
        WarnOfControl(text);
        List<int> ids = [.. _beforeIds];
        Tokenizer.Encode(voice is null ? text : $"{voice.Text} {text}", ids, matchControlTokens: false);
        ids.AddRange(_afterIds);
        ids.AddRange(voice?.Codes.Select(Speech.ToToken) ?? []);
        return [.. ids];
    }

    // Transformers would take them for what they are called.
    private void WarnOfControl(string text)
    {
        foreach (Match control in Controls().Matches(text))
        {
            if (Tokenizer.TryGetId(control.Value, out _) && _told.TryAdd(control.Value, true))
            {
                LlasaEventSource.Log.Warned($"{Tokenizer.Path}: a text holds `{control.Value}`, a token that steers the model; it is letters there, where Transformers takes it for the token: "
                    + "what is meant to be said needs another name, such as <laugh>");
            }
        }
    }

    [GeneratedRegex(@"<\|[^|<>]+\|>", RegexOptions.CultureInvariant)]
    private static partial Regex Controls();

    private static string Header(string role) => $"<|start_header_id|>{role}<|end_header_id|>\n\n";
}
