using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json.Nodes;
using LlasaNative.Audio;
using LlasaNative.Trainer.Serving.Speech;

namespace LlasaNative.EndToEnd.Tests.Serving;

/// <summary>OpenAI's own client for node, unchanged, against the server. LLASA_OPENAI names the folder of tests/openai, installed there.</summary>
public sealed class OpenAiClientTests : SpeechServerFixture
{
    [Test]
    public async Task OpenAisClient_GetsSpeech_StreamedAndNot_AndItsErrors()
    {
        var client = Environment.GetEnvironmentVariable("LLASA_OPENAI") ?? "";
        if (!Directory.Exists(Path.Combine(client, "node_modules", "openai")))
        {
            Assert.Ignore("SKIPPED: LLASA_OPENAI names no folder with node_modules/openai; `npm install --no-package-lock` in tests/openai makes one");
        }

        await using var server = await StartAsync(Free with { Token = "0123456789abcdef" });
        var report = JsonNode.Parse(await RunAsync(Path.Combine(client, "client.mjs"), server.Url.GetLeftPart(UriPartial.Authority), Folder))!;
        var (codes, sound) = Locally("a big dog", 1);
        Assert.Multiple(() =>
        {
            Assert.That(report["models"]!.ToJsonString(), Is.EqualTo("[\"policy\"]"));
            Assert.That((string)report["retrieved"]!, Is.EqualTo("policy"));
            Assert.That(File.ReadAllBytes(Path.Combine(Folder, "whole.wav")), Is.EqualTo(WaveFile.Encode(sound, 16_000)));
            // In how many parts it arrives is the client's pace, not the server's.
            Assert.That((string)report["transfer"]!, Is.EqualTo("chunked"), "the sound was not waited for");
            Assert.That(report["events"]!.ToJsonString(), Is.EqualTo("[\"speech.audio.delta\",\"speech.audio.done\"]"));
            Assert.That((int)report["usage"]!["output_tokens"]!, Is.EqualTo(codes.Length));
            Assert.That(File.ReadAllBytes(Path.Combine(Folder, "events.pcm")), Is.EqualTo(File.ReadAllBytes(Path.Combine(Folder, "streamed.pcm"))));
            Assert.That(new FileInfo(Path.Combine(Folder, "streamed.pcm")).Length, Is.EqualTo(2 * Resampler.Resample(sound, 16_000, SoundFormat.PcmRate).Length));
            Assert.That(((bool)report["error"]!["isApiError"]!, (string)report["error"]!["name"]!, (int)report["error"]!["status"]!, (string)report["error"]!["param"]!),
                Is.EqualTo((true, "BadRequestError", 400, "voice")));
            Assert.That((string)report["error"]!["message"]!, Does.Contain("`voice` is `nobody`, there are default"));
            Assert.That((string)report["refused"]!, Is.EqualTo("AuthenticationError"));
        });
    }

    private static async Task<string> RunAsync(params string[] arguments)
    {
        try
        {
            using var node = Process.Start(new ProcessStartInfo("node", arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            var complaint = node.StandardError.ReadToEndAsync();
            var output = await node.StandardOutput.ReadToEndAsync();
            await node.WaitForExitAsync();
            Assert.That(node.ExitCode, Is.Zero, await complaint);
            return output;
        }
        catch (Win32Exception)
        {
            Assert.Ignore("SKIPPED: node is not installed");
            throw;
        }
    }
}
