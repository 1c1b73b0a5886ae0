using System.Diagnostics;
using System.Text.Json;

namespace LlasaNative.EndToEnd.Tests;

/// <summary>A run's TensorBoard event file, read by a program that shares no code with the writer (tests/oracle/read_events.py).</summary>
public sealed class EventFileTests : TinyWorldTests
{
    private static string Script => Path.Combine(TestContext.CurrentContext.TestDirectory, "..", "..", "..", "..", "oracle", "read_events.py");

    [Test]
    public void Train_WritesEventsThatReadBack()
    {
        LlasaRunner.RunWell(Train(Folder, 2));
        var file = Directory.GetFiles(Path.Combine(Folder, "tensorboard")).Single();
        var (code, output, error) = Read(file);
        Assert.That(code, Is.Zero, error);
        var events = output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonDocument.Parse(l).RootElement).ToArray();
        var second = JsonDocument.Parse(File.ReadLines(Path.Combine(Folder, "metrics.jsonl")).Last()).RootElement;
        var best = events.Single(e => e.GetProperty("tag").GetString() == "samples/best").GetProperty("value");
        Assert.Multiple(() =>
        {
            // Every finite metric of the step, as the single precision that an event holds.
            foreach (var metric in second.EnumerateObject().Where(m => m.Name != "step" && m.Value.ValueKind == JsonValueKind.Number))
            {
                var scalar = events.Single(e => e.GetProperty("step").GetInt32() == 2 && e.GetProperty("tag").GetString() == metric.Name);
                Assert.That(scalar.GetProperty("kind").GetString(), Is.EqualTo("scalar"));
                Assert.That((float)scalar.GetProperty("value").GetDouble(), Is.EqualTo((float)metric.Value.GetDouble()), metric.Name);
            }

            Assert.That(events.Where(e => e.GetProperty("kind").GetString() == "text").Select(e => e.GetProperty("value").GetString()), Has.Exactly(2).Contains("heard: "));
            Assert.That(best.GetProperty("rate").GetDouble(), Is.EqualTo(16000));
            Assert.That(44 + (2 * best.GetProperty("frames").GetInt64()), Is.EqualTo(new FileInfo(Path.Combine(Folder, "samples", "step-000002-best.wav")).Length));
        });

        // One bit of damage is seen.
        var bytes = File.ReadAllBytes(file);
        bytes[bytes.Length / 2] ^= 1;
        File.WriteAllBytes(file + ".damaged", bytes);
        var damaged = Read(file + ".damaged");
        Assert.That(damaged.Code, Is.EqualTo(1));
        Assert.That(damaged.Error, Does.Contain("checksum").Or.Contain("cut off"));
    }

    [Test]
    public void MyResumedRun_TellsTensorBoardTheFirstStepItWritesAgain_SoThatNoneIsLost()
    {
        LlasaRunner.RunWell(Train(Folder, 2));
        LlasaRunner.RunWell(Train(Folder, 3, "--set", "rollout.slots=4"));   // free to change on resume
        var files = Directory.GetFiles(Path.Combine(Folder, "tensorboard"));
        Assert.Multiple(() =>
        {
            // event_file_writer purges what it has of a tag from the step of a START event (session_log, field 7) on.
            Assert.That(files, Has.Length.EqualTo(2));
            Assert.That(files.Select(StartStep).Order(), Is.EqualTo(new long[] { 1, 3 }));
        });

        // The second record of a file is the START event; of its fields, step (2) is a varint behind the wall time (1).
        static long StartStep(string path)
        {
            var bytes = File.ReadAllBytes(path).AsSpan();
            bytes = bytes[(16 + (int)BitConverter.ToUInt64(bytes))..];
            var message = bytes.Slice(12, (int)BitConverter.ToUInt64(bytes));
            Assert.That((message[0], message[9]), Is.EqualTo(((byte)0x09, (byte)0x10)), "wall time, then step");
            return message[10];
        }
    }

    [Test, Category("Long")]
    public async Task Train_WithADashboard_ServesTheRunWhileItGoesOn()
    {
        using System.Net.Sockets.TcpListener probe = new(System.Net.IPAddress.Loopback, 0);
        probe.Start();
        var port = ((System.Net.IPEndPoint)probe.LocalEndpoint).Port;
        probe.Stop();
        var number = port.ToString(System.Globalization.CultureInfo.InvariantCulture);
        using var process = LlasaRunner.StartAndAwait("step   2/", Train(Folder, 500, "--dashboard", number));
        _ = process.StandardError.ReadToEndAsync();
        using HttpClient client = new() { BaseAddress = new Uri($"http://127.0.0.1:{number}/") };
        using var state = JsonDocument.Parse(await client.GetStringAsync(new Uri("api/runs", UriKind.Relative)));
        var run = state.RootElement.GetProperty("runs")[0];
        var page = await client.GetStringAsync(client.BaseAddress);
        LlasaRunner.Signal(process, "INT");
        await process.WaitForExitAsync();
        Assert.Multiple(() =>
        {
            Assert.That(run.GetProperty("rows").GetInt32(), Is.InRange(2, 499));
            Assert.That(run.GetProperty("samples").GetInt32(), Is.GreaterThanOrEqualTo(8));
            Assert.That(page, Does.Contain("dashboard-main.js"));
            Assert.That(process.ExitCode, Is.EqualTo(130), "Ctrl-C is the run's, not the server's");
        });
    }

    private static (int Code, string Output, string Error) Read(string file)
    {
        try
        {
            using var python = Process.Start(new ProcessStartInfo("python3", [Script, file]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            var error = python.StandardError.ReadToEndAsync();
            var output = python.StandardOutput.ReadToEnd();
            python.WaitForExit();
            return (python.ExitCode, output, error.Result);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Ignore("SKIPPED: there is no python3 to read the events with");
            throw;
        }
    }
}
