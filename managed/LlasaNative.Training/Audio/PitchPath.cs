namespace LlasaNative.Audio;

/// <summary>The cheapest path through the pitch candidates of a sound's frames (Viterbi).</summary>
internal sealed class PitchPath(PitchOptions options)
{
    private readonly double _jumpCost = options.JumpCost * 0.01 / options.Hop;   // costs are those of frames 10 ms apart
    private readonly double _voicingCost = options.VoicingCost * 0.01 / options.Hop;
    private readonly List<(double Octave, double Cost)> _candidates = [];   // of all frames; NaN = unvoiced
    private readonly List<int> _starts = [];
    private int _frames;

    public void Begin(int frames)
    {
        _frames = frames;
        _candidates.Clear();
        _starts.Clear();
        StartFrame();
    }

    /// <summary>Adds a candidate of the present frame.</summary>
    /// <param name="hertz">Its frequency.</param>
    /// <param name="cost">Its aperiodicity, 0 to about 1, and what its length costs.</param>
    public void Add(double hertz, double cost) => _candidates.Add((Math.Log2(hertz / options.Lowest), cost));

    public void EndFrame()
    {
        if (_starts.Count < _frames)
        {
            StartFrame();
        }
        else
        {
            _starts.Add(_candidates.Count);
        }
    }

    /// <summary>Hz of each frame on the cheapest path, 0 where it is unvoiced.</summary>
    public float[] Solve()
    {
        var cost = new double[_candidates.Count];
        var from = new int[_candidates.Count];
        for (var frame = 0; frame < _frames; frame++)
        {
            for (var i = _starts[frame]; i < _starts[frame + 1]; i++)
            {
                cost[i] = _candidates[i].Cost;
                if (frame > 0)
                {
                    from[i] = Cheapest(i, frame - 1, cost, out var before);
                    cost[i] += before;
                }
            }
        }

        var hertz = new float[_frames];
        var best = _starts[_frames - 1];
        for (var i = best; i < _starts[_frames]; i++)
        {
            best = cost[i] < cost[best] ? i : best;
        }

        for (var frame = _frames - 1; frame >= 0; frame--)
        {
            var octave = _candidates[best].Octave;
            hertz[frame] = double.IsNaN(octave) ? 0 : (float)(options.Lowest * Math.Pow(2, octave));
            best = from[best];
        }

        return hertz;
    }

    private void StartFrame()
    {
        _starts.Add(_candidates.Count);
        _candidates.Add((double.NaN, options.VoicingThreshold));
    }

    private int Cheapest(int to, int frame, double[] cost, out double lowest)
    {
        var octave = _candidates[to].Octave;
        var best = _starts[frame];
        lowest = double.PositiveInfinity;
        for (var i = _starts[frame]; i < _starts[frame + 1]; i++)
        {
            var other = _candidates[i].Octave;
            var jump = (double.IsNaN(octave), double.IsNaN(other)) switch
            {
                (true, true) => 0,
                (false, false) => _jumpCost * Math.Abs(octave - other),
                _ => _voicingCost,
            };
            if (cost[i] + jump < lowest)
            {
                lowest = cost[i] + jump;
                best = i;
            }
        }

        return best;
    }
}
