namespace LlasaNative.Rewards;

/// <summary>
/// The owner's reward: the weighted harmonic mean of two utilities, U_CER = 1 − tanh(βc·CER) and U_NLL = exp(−NLL/τn).
/// </summary>
/// <remarks>
/// <para>R = (λc+λn) / (λc/U_CER + λn/U_NLL), evaluated as (λc+λn)·U_CER·U_NLL / (λc·U_NLL + λn·U_CER) so that nothing
/// divides by zero.</para>
/// <para><b>Threads:</b> stateless, any thread.</para>
/// </remarks>
public static class HarmonicUtilityReward
{
    /// <summary>
    /// βc·CER from which on U_CER is 0 in float64: 1 − tanh(x) = 2 / (e^2x + 1) is less than half the distance from 1 to the number
    /// below, 2^−54, from x = 27.5·ln 2 = 19.062 on.
    /// </summary>
    public const double Saturation = 19.07;

    /// <summary>Utility of a character error rate: 1 for 0, falling to 0.</summary>
    /// <param name="cer">Character error rate, at least 0.</param>
    /// <param name="beta">Steepness, positive.</param>
    /// <returns>0 to 1; NaN for NaN.</returns>
    public static double CerUtility(double cer, double beta) => 1 - Math.Tanh(beta * cer);

    /// <summary>Utility of a mean negative log-likelihood: 1 for 0, falling to 0.</summary>
    /// <param name="nll">Mean negative log-likelihood in nats per token, at least 0.</param>
    /// <param name="tau">Scale in nats, positive.</param>
    /// <returns>0 to 1; NaN for NaN.</returns>
    public static double NllUtility(double nll, double tau) => Math.Exp(-nll / tau);

    /// <summary>Weighted harmonic mean of the two utilities.</summary>
    /// <param name="utilityCer">U_CER.</param>
    /// <param name="utilityNll">U_NLL.</param>
    /// <param name="lambdaCer">Weight of U_CER, at least 0; with 0 its utility does not matter.</param>
    /// <param name="lambdaNll">Weight of U_NLL, at least 0; with 0 its utility does not matter.</param>
    /// <returns>0 to 1; 0 when a utility with weight is 0 or NaN.</returns>
    public static double Combine(double utilityCer, double utilityNll, double lambdaCer, double lambdaNll)
    {
        if (lambdaCer == 0 || lambdaNll == 0)
        {
            double only = lambdaCer == 0 ? utilityNll : utilityCer;
            return lambdaCer + lambdaNll > 0 ? ClampOrZero(only) : 0;
        }

        // Scaled by the larger utility: the product of two tiny ones would vanish.
        double largest = Math.Max(utilityCer, utilityNll);
        double c = utilityCer / largest;
        double n = utilityNll / largest;
        double denominator = (lambdaCer * n) + (lambdaNll * c);
        return denominator > 0 ? ClampOrZero((lambdaCer + lambdaNll) * c * n / denominator * largest) : 0;
    }

    /// <summary>The reward of a character error rate and a negative log-likelihood.</summary>
    /// <param name="cer">Character error rate, at least 0.</param>
    /// <param name="nll">Mean negative log-likelihood in nats per token.</param>
    /// <param name="options">βc, τn, λc and λn.</param>
    /// <returns>0 to 1; 0 for NaN.</returns>
    public static double Compute(double cer, double nll, RewardOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return double.IsNaN(cer) || double.IsNaN(nll)
            ? 0
            : Combine(CerUtility(cer, options.BetaCer), NllUtility(nll, options.TauNll), options.LambdaCer, options.LambdaNll);
    }

    private static double ClampOrZero(double value) => value > 0 ? Math.Min(value, 1) : 0;
}
