using LlasaNative.Trainer.Commands;

namespace LlasaNative.Trainer;

/// <summary>The commands of <c>llasa</c>, their common options and exit codes.</summary>
/// <remarks>0 done, 1 failed, 2 wrong usage, 130 interrupted. An error is one line on standard error.</remarks>
internal static class CommandLine
{
    public const int Interrupted = 130;

    public static readonly Option<string> Backend = new("--backend")
    {
        Description = "What computes: auto, cpu or cuda.", DefaultValueFactory = _ => "auto", Recursive = true,
    };

    public static readonly Option<int> Threads = new("--threads")
    {
        Description = "Compute threads; 0 = all processors.", Recursive = true,
    };

    public static readonly Option<bool> Verbose = new("--verbose")
    {
        Description = "Say which phase begins, and where an error came from.", Recursive = true,
    };

    public static int Run(string[] args)
    {
        ConsoleWriter.Install();
        RootCommand root = new("Trains speech-generating language models by reinforcement learning under a recogniser's judgement.");
        root.Takes(
        [
            Backend, Threads, Verbose,
            TrainCommand.Create(), SftCommand.Create(), DpoCommand.Create(), EvalCommand.Create(), SampleCommand.Create(), PairCommand.Create(),
            RateCommand.Create(), ReportCommand.Create(), SpeakCommand.Create(), ScoreCommand.Create(), InspectCommand.Create(), LogitsCommand.Create(),
            PrepareCommand.Create(), EncodeCommand.Create(), ServeCommand.Create(), ServeRewardCommand.Create(), BenchCommand.Create(),
            DemoCommand.Create(), CompareCommand.Create(), DashboardCommand.Create(), ConfigCommand.Create(), DevCommand.Create(),
        ]);

        var parsed = root.Parse(args);
        if (parsed.Errors.Count > 0)
        {
            Console.Error.WriteLine($"llasa: {string.Join("; ", parsed.Errors.Select(e => e.Message.ReplaceLineEndings(" ").TrimEnd('.')))}; see --help");
            return LlasaException.UsageExitCode;
        }

        try
        {
            return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
        }
        catch (LlasaException e)
        {
            return Fail(parsed, e, e.ExitCode);
        }
    }

    /// <summary>Adds arguments, options and commands to a command.</summary>
    public static void Takes(this Command command, IEnumerable<Symbol> symbols)
    {
        foreach (var symbol in symbols)
        {
            switch (symbol)
            {
                case Argument argument:
                    command.Arguments.Add(argument);
                    break;
                case Option option:
                    command.Options.Add(option);
                    break;
                case Command below:
                    command.Subcommands.Add(below);
                    break;
            }
        }
    }

    /// <summary>The value of a name.</summary>
    /// <exception cref="UsageException">There is none of that name; the message begins with <paramref name="option"/>.</exception>
    public static T Parse<T>(string option, string name)
        where T : struct, Enum
    {
        try
        {
            return OptionNames.Parse<T>(name);
        }
        catch (FormatException e)
        {
            throw new UsageException($"{option}: {e.Message}", e);
        }
    }

    /// <summary>Gives a command its work, with the library chosen and every error turned into a line and an exit code.</summary>
    public static Command Does(this Command command, Func<ParseResult, int> work) => command.Guarded(parsed =>
    {
        RankSession.RefuseSeveral(command.Name);
        return work(parsed);
    });

    /// <summary>As <see cref="Does(Command, Func{ParseResult, int})"/>, for a command whose work several ranks share.</summary>
    public static Command DoesTogether(this Command command, Func<ParseResult, RankSession, int> work) => command.Guarded(parsed =>
    {
        using var ranks = RankSession.Join(parsed.GetValue(Threads));
        var code = work(parsed, ranks);
        ranks.Finish();
        return code;
    });

    private static Command Guarded(this Command command, Func<ParseResult, int> work)
    {
        command.SetAction(parsed => Guard(parsed, () =>
        {
            Prepare(parsed);
            return work(parsed);
        }));
        return command;
    }

    private static int Guard(ParseResult parsed, Func<int> work)
    {
        using WarningListener warnings = new();
        using var recognition = parsed.GetValue(Verbose) ? new PhaseListener() : null;
        try
        {
            return work();
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine($"{RankSession.Prefix}interrupted");
            RankSession.Fail(Interrupted);
            return Interrupted;
        }
        catch (LlasaException e)
        {
            return Fail(parsed, e, e.ExitCode);
        }
        catch (Exception e) when (e is NativeException or DllNotFoundException or IOException or UnauthorizedAccessException or OutOfMemoryException)
        {
            return Fail(parsed, e, LlasaException.FailureExitCode);
        }
        catch (Exception e)
        {
            return Fail(parsed, e, LlasaException.FailureExitCode, "internal error: ");
        }
    }

    private static void Prepare(ParseResult parsed)
    {
        var backend = parsed.GetValue(Backend) switch
        {
            "auto" => NativeBackend.Auto,
            "cpu" => NativeBackend.Cpu,
            "cuda" => NativeBackend.Cuda,
            var other => throw new UsageException($"--backend: `{other}` is not one of auto, cpu, cuda"),
        };
        var threads = parsed.GetValue(Threads);
        if (threads is < 0 or > 256)
        {
            throw new UsageException($"--threads: {threads} is not 0 to 256");
        }

        if (backend != NativeBackend.Auto)
        {
            NativeDevice.UseBackend(backend);
        }

        if (threads > 0)
        {
            NativeDevice.SetThreadCount(threads);
        }
    }

    private static int Fail(ParseResult parsed, Exception error, int code, string prefix = "")
    {
        Console.Error.WriteLine($"{RankSession.Prefix}{prefix}{MemoryAdvice.Describe(error).ReplaceLineEndings(" ")}");
        if (parsed.GetValue(Verbose))
        {
            Console.Error.WriteLine(error);
        }

        RankSession.Fail(code);
        return code;
    }
}
