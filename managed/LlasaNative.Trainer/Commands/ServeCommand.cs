using LlasaNative.Trainer.Serving.Speech;

namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa serve</c>: text to speech behind OpenAI's HTTP API.</summary>
internal static class ServeCommand
{
    public static Command Create()
    {
        ModelArguments models = new();
        SpeechOptions defaults = new();
        HttpArguments http = new(defaults);
        Option<string> name = new("--model-name") { Description = "Name under which the model is served; default: that of its directory." };
        Option<string> voices = new("--voices") { Description = "Folder of reference sounds, each perhaps with what is said in a .txt beside it; their names are the voices." };
        Option<bool> upload = new("--allow-upload") { Description = "Let clients add voices to that folder." };
        Option<int> slots = new("--slots") { Description = "Texts spoken at once.", DefaultValueFactory = _ => defaults.Slots };
        Option<int> queue = new("--queue") { Description = "Texts that may wait; more get 429.", DefaultValueFactory = _ => defaults.QueueCapacity };
        Option<int> characters = new("--max-characters") { Description = "Longest text.", DefaultValueFactory = _ => defaults.MaxCharacters };
        Option<int> part = new("--part-characters") { Description = "Longest part that is spoken in one go: longer texts are cut at their sentences.", DefaultValueFactory = _ => defaults.PartCharacters };
        Option<bool> apart = new("--apart") { Description = "Speak the parts of a text without a voice apart, not each in the voice of the one before: for a policy that has learned no voice prompts." };
        Option<int> tokens = new("--max-new-tokens") { Description = "Longest speech of a text in tokens, where the model has room.", DefaultValueFactory = _ => defaults.MaxNewTokens };
        Option<double> temperature = new("--temperature") { Description = "Softmax temperature where a request says none; 0 = greedy.", DefaultValueFactory = _ => defaults.Temperature };
        Option<double> topP = new("--top-p") { Description = "Draw from the smallest set of tokens with this much probability, where a request says none.", DefaultValueFactory = _ => defaults.TopP };
        Option<int> topK = new("--top-k") { Description = "Draw from the k most probable tokens, where a request says none; 0 = all." };
        Option<string> config = new("--config") { Description = "YAML file whose sections prompt and recogniser are used." };
        Option<string[]> set = new("--set") { Description = "key=value of those sections; may be repeated." };
        Command command = new("serve", "Serve text to speech over HTTP, as OpenAI's clients speak to it.");
        command.Takes([models.Policy, models.Codec, models.Recogniser, models.PolicyType, models.ScoringType, name, voices, upload, slots, queue,
            characters, part, apart, tokens, temperature, topP, topK, config, set, .. http.All]);

        return command.Does(parsed =>
        {
            var options = OptionTree.Build<GrpoOptions>(OptionAssignment.Read(parsed.GetValue(config), parsed.GetValue(set)));
            return Run(models.Read(parsed, options.Models), options.Prompt, options.ToScoring(), http.Read(parsed, new SpeechOptions
            {
                ModelName = parsed.GetValue(name) ?? "",
                Voices = parsed.GetValue(voices) ?? "",
                AllowUpload = parsed.GetValue(upload),
                Slots = parsed.GetValue(slots),
                QueueCapacity = parsed.GetValue(queue),
                MaxCharacters = parsed.GetValue(characters),
                PartCharacters = parsed.GetValue(part),
                CarryVoice = !parsed.GetValue(apart),
                MaxNewTokens = parsed.GetValue(tokens),
                Temperature = parsed.GetValue(temperature),
                TopP = parsed.GetValue(topP),
                TopK = parsed.GetValue(topK),
            }));
        });
    }

    private static int Run(ModelOptions models, PromptOptions prompt, ScoringOptions scoring, SpeechOptions options) => HttpArguments.Serve(
        () => SpeechServer.StartAsync(models, prompt, scoring, options), server => (server.Url, server.Health.Model), server => server.StopAsync(), options);
}
