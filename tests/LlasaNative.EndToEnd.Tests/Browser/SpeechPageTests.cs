using System.Net;
using LlasaNative.EndToEnd.Tests.Serving;

namespace LlasaNative.EndToEnd.Tests.Browser;

/// <summary>The page of <c>llasa serve</c> in a browser.</summary>
[Category("Browser")]
public sealed class SpeechPageTests : SpeechServerFixture
{
    [Test]
    public async Task Page_SpeaksATextInAVoice_AndKeepsTheSound()
    {
        MakeVoice("river", "the quiet river");
        await using var server = await StartAsync(Free with { Voices = Folder, Token = "0123456789abcdef" });
        await using var browser = await Chromium.StartAsync();
        await browser.ResizeAsync(900, 800);
        await browser.OpenAsync(server.Url.AbsoluteUri, "document.getElementById('token-field')?.hidden === false");
        Assert.That(await browser.TextAsync("document.getElementById('status').textContent"), Does.Contain("Authorization"), "it says what is missing, and asks for it");
        await browser.EvaluateAsync("(() => { const t = document.getElementById('token'); t.value = '0123456789abcdef'; t.dispatchEvent(new Event('change')); })()");
        await browser.WaitAsync("document.getElementById('voice').options.length === 2");
        Assert.That(await browser.TextAsync("document.getElementById('model').textContent"), Is.EqualTo("policy"));

        const string Speak = "(() => {{ document.getElementById('text').value = '{0}'; document.getElementById('voice').value = '{1}'; document.getElementById('seed').value = 1; document.getElementById('ask').requestSubmit(); }})()";
        foreach (var (text, voice, count) in new[] { ("a big dog", "default", 1), ("a green stone", "river", 2) })
        {
            await browser.EvaluateAsync(string.Format(System.Globalization.CultureInfo.InvariantCulture, Speak, text, voice));
            await browser.WaitAsync($"document.querySelectorAll('#heard audio').length === {count} && document.querySelector('#heard audio').duration > 0.2");
            Assert.That(await browser.TextAsync("document.querySelector('#heard p').textContent"), Is.EqualTo(text));
            Assert.That(await browser.TextAsync("document.querySelector('#heard small').textContent"), Does.StartWith($"{voice}, seed 1; "));
        }

        // What it keeps is what any client is given.
        using var client = Client(server, "0123456789abcdef");
        var expected = Samples(await SoundAsync(client, Ask("a green stone").Replace("\"default\"", "\"river\"", StringComparison.Ordinal)));
        Assert.That(await browser.NumberAsync("document.querySelector('#heard audio').duration"), Is.EqualTo(expected.Length / 16_000.0).Within(0.01));

        await browser.EvaluateAsync(string.Format(System.Globalization.CultureInfo.InvariantCulture, Speak, new string('a', 600), "default"));
        await browser.WaitAsync("document.getElementById('status').className === 'wrong' || document.querySelectorAll('#heard audio').length === 3");
        Assert.That(browser.Complaints.Where(c => !c.Contains("401", StringComparison.Ordinal) && !c.Contains("400", StringComparison.Ordinal)), Is.Empty);
    }

    [Test]
    public async Task Page_ComesFromThisServerAlone()
    {
        await using var server = await StartAsync(Free with { Token = "0123456789abcdef" });
        using var client = Client(server);
        foreach (var (path, type) in new[] { ("", "text/html"), ("speech.js", "text/javascript"), ("speech.css", "text/css"), ("dashboard.css", "text/css") })
        {
            using var response = await client.GetAsync(new Uri(path, UriKind.Relative));
            Assert.That((response.StatusCode, response.Content.Headers.ContentType!.MediaType), Is.EqualTo((HttpStatusCode.OK, type)), path);
            Assert.That(response.Headers.GetValues("Content-Security-Policy").Single(), Does.StartWith("default-src 'none'").And.Contains("media-src blob:"));
            Assert.That(await response.Content.ReadAsStringAsync(), Does.Not.Contain("http://").And.Not.Contain("https://"), path);
        }
    }
}
