using System.Diagnostics;
using System.Globalization;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace LlasaNative.EndToEnd.Tests.Browser;

/// <summary>A headless Chromium with one page, driven by the DevTools protocol.</summary>
internal sealed class Chromium : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private readonly Process _process;
    private readonly ClientWebSocket _socket = new();
    private readonly string _profile;
    private readonly List<string> _complaints = [];
    private string _session = "";
    private int _number;

    private Chromium(Process process, string profile)
    {
        _process = process;
        _profile = profile;
    }

    /// <summary>What the page complained about: exceptions, refused resources, console errors.</summary>
    public IReadOnlyList<string> Complaints => _complaints;

    /// <summary>Starts the browser; the test is ignored, with a message, where there is none.</summary>
    public static async Task<Chromium> StartAsync()
    {
        var program = Find();
        if (program is null)
        {
            Assert.Ignore("SKIPPED: no chromium, chromium-browser or google-chrome in PATH, and LLASA_CHROMIUM names none");
        }

        var profile = Directory.CreateTempSubdirectory("llasa-chromium-").FullName;
        ProcessStartInfo start = new(program!) { RedirectStandardError = true, RedirectStandardOutput = true };
        foreach (var argument in new[]
        {
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--no-first-run", "--no-default-browser-check", "--mute-audio", "--hide-scrollbars", "--autoplay-policy=no-user-gesture-required",
            "--remote-debugging-port=0", $"--user-data-dir={profile}", "about:blank",
        })
        {
            start.ArgumentList.Add(argument);
        }

        Chromium browser = new(Process.Start(start)!, profile);
        try
        {
            await browser.ConnectAsync();
            return browser;
        }
        catch
        {
            await browser.DisposeAsync();
            throw;
        }
    }

    /// <summary>Sets the size of the window.</summary>
    public Task ResizeAsync(int width, int height, bool dark = false) => SendAllAsync(
        ("Emulation.setDeviceMetricsOverride", new JsonObject { ["width"] = width, ["height"] = height, ["deviceScaleFactor"] = 1, ["mobile"] = width < 500 }),
        ("Emulation.setEmulatedMedia", new JsonObject { ["features"] = new JsonArray(new JsonObject { ["name"] = "prefers-color-scheme", ["value"] = dark ? "dark" : "light" }) }));

    /// <summary>Opens an address and waits until an expression is true.</summary>
    /// <returns>Seconds from asking for the page.</returns>
    public async Task<double> OpenAsync(string address, string until)
    {
        var start = Stopwatch.GetTimestamp();
        var answer = await SendAsync("Page.navigate", new JsonObject { ["url"] = address });
        Assert.That(answer["errorText"]?.ToString(), Is.Null, address);
        await WaitAsync(until);
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>Waits until an expression is true.</summary>
    public async Task WaitAsync(string expression)
    {
        var start = Stopwatch.GetTimestamp();
        while (!(await EvaluateAsync($"!!({expression})")).GetValue<bool>())
        {
            Assert.That(Stopwatch.GetElapsedTime(start), Is.LessThan(Patience), $"never true: {expression}; {string.Join(" | ", _complaints)}");
            await Task.Delay(15);
        }
    }

    /// <summary>The value of an expression; a promise is awaited.</summary>
    public async Task<JsonNode> EvaluateAsync(string expression)
    {
        var answer = await SendAsync("Runtime.evaluate", new JsonObject { ["expression"] = expression, ["awaitPromise"] = true, ["returnByValue"] = true });
        Assert.That(answer["exceptionDetails"], Is.Null, expression);
        return answer["result"]!["value"] ?? JsonValue.Create("undefined");
    }

    public async Task<double> NumberAsync(string expression) => (await EvaluateAsync($"Promise.resolve({expression}).then(Number)")).GetValue<double>();

    public async Task<string> TextAsync(string expression) => (await EvaluateAsync($"String({expression})")).GetValue<string>();

    /// <summary>Presses and releases a key.</summary>
    public Task PressAsync(string key) => SendAllAsync(
        ("Input.dispatchKeyEvent", new JsonObject { ["type"] = "rawKeyDown", ["key"] = key, ["code"] = key, ["windowsVirtualKeyCode"] = Code(key) }),
        ("Input.dispatchKeyEvent", new JsonObject { ["type"] = "keyUp", ["key"] = key, ["code"] = key, ["windowsVirtualKeyCode"] = Code(key) }));

    /// <summary>Writes what the window shows as a PNG file.</summary>
    public async Task ScreenshotAsync(string path)
    {
        var answer = await SendAsync("Page.captureScreenshot", new JsonObject { ["format"] = "png" });
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        await File.WriteAllBytesAsync(path, Convert.FromBase64String(answer["data"]!.GetValue<string>()));
        TestContext.AddTestAttachment(path);
    }

    public async ValueTask DisposeAsync()
    {
        _socket.Dispose();
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
        }

        await _process.WaitForExitAsync();
        _process.Dispose();
        try
        {
            Directory.Delete(_profile, recursive: true);
        }
        catch (IOException)
        {
            // A child of the browser that is still writing its profile; the directory is temporary.
        }
    }

    private static string? Find()
    {
        if (Environment.GetEnvironmentVariable("LLASA_CHROMIUM") is { Length: > 0 } named)
        {
            return named;
        }

        return (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .SelectMany(folder => new[] { "chromium", "chromium-browser", "google-chrome" }.Select(name => Path.Combine(folder, name)))
            .FirstOrDefault(File.Exists);
    }

    private static int Code(string key) => key switch
    {
        "Enter" => 13,
        "Home" => 36,
        "End" => 35,
        "ArrowLeft" => 37,
        "ArrowRight" => 39,
        "Tab" => 9,
        _ => 0,
    };

    private async Task ConnectAsync()
    {
        using CancellationTokenSource patience = new(Patience);
        string? address = null;
        while (address is null && await _process.StandardError.ReadLineAsync(patience.Token) is { } line)
        {
            address = line.StartsWith("DevTools listening on ", StringComparison.Ordinal) ? line["DevTools listening on ".Length..].Trim() : null;
        }

        _ = _process.StandardError.ReadToEndAsync(CancellationToken.None);   // a full pipe would stop it
        _ = _process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        await _socket.ConnectAsync(new Uri(address ?? throw new InvalidOperationException("the browser ended before it listened")), patience.Token);
        var target = await SendAsync("Target.createTarget", new JsonObject { ["url"] = "about:blank" });
        var session = await SendAsync("Target.attachToTarget", new JsonObject { ["targetId"] = target["targetId"]!.DeepClone(), ["flatten"] = true });
        _session = session["sessionId"]!.GetValue<string>();
        await SendAllAsync(("Page.enable", []), ("Runtime.enable", []), ("Log.enable", []));
    }

    private async Task SendAllAsync(params (string Method, JsonObject Parameters)[] calls)
    {
        foreach (var (method, parameters) in calls)
        {
            await SendAsync(method, parameters);
        }
    }

    private async Task<JsonNode> SendAsync(string method, JsonObject parameters)
    {
        var id = ++_number;
        JsonObject message = new() { ["id"] = id, ["method"] = method, ["params"] = parameters };
        if (_session.Length > 0)
        {
            message["sessionId"] = _session;
        }

        using CancellationTokenSource patience = new(Patience);
        await _socket.SendAsync(Encoding.UTF8.GetBytes(message.ToJsonString()), WebSocketMessageType.Text, endOfMessage: true, patience.Token);
        while (true)
        {
            var answer = await ReceiveAsync(patience.Token);
            if (answer["id"]?.GetValue<int>() == id)
            {
                Assert.That(answer["error"], Is.Null, string.Create(CultureInfo.InvariantCulture, $"{method}: {answer["error"]}"));
                return answer["result"]!;
            }

            Note(answer);
        }
    }

    private void Note(JsonNode message)
    {
        var content = message["params"];
        switch (message["method"]?.ToString())
        {
            case "Runtime.exceptionThrown":
                _complaints.Add(content!["exceptionDetails"]!.ToJsonString());
                break;
            case "Log.entryAdded" when content!["entry"]!["level"]!.ToString() is "error" or "warning":
                _complaints.Add(content["entry"]!.ToJsonString());
                break;
            case "Runtime.consoleAPICalled" when content!["type"]!.ToString() is "error" or "warning":
                _complaints.Add(content["args"]!.ToJsonString());
                break;
        }
    }

    private async Task<JsonNode> ReceiveAsync(CancellationToken cancellation)
    {
        using MemoryStream message = new();
        var buffer = new byte[1 << 16];
        while (true)
        {
            var part = await _socket.ReceiveAsync(buffer, cancellation);
            message.Write(buffer, 0, part.Count);
            if (part.MessageType == WebSocketMessageType.Close)
            {
                throw new IOException("the browser closed the connection");
            }

            if (part.EndOfMessage)
            {
                return JsonNode.Parse(message.ToArray()) ?? throw new JsonException();
            }
        }
    }
}
