using LlasaNative.Engine;

namespace LlasaNative.Tests.Training;

public sealed class NcclMemoryTests
{
    [Test]
    public void Estimate_FollowsTheVariablesThatNcclReads()
    {
        // 4 MiB, 512 KiB and 4.6875 MiB a connection.
        const long connection = 9_633_792;
        Assert.Multiple(() =>
        {
            Assert.That(NcclMemory.Estimate(_ => null), Is.EqualTo(32 * 5 * connection));
            Assert.That(NcclMemory.Estimate(name => name == "NCCL_MAX_NCHANNELS" ? "2" : null), Is.EqualTo(2 * 5 * connection));
            Assert.That(NcclMemory.Estimate(name => name == "NCCL_MAX_NCHANNELS" ? "64" : null), Is.EqualTo(32 * 5 * connection), "NCCL has no more");
            Assert.That(NcclMemory.Estimate(name => name == "NCCL_BUFFSIZE" ? "1048576" : null), Is.EqualTo(32 * 5 * (connection - (3 << 20))));
            Assert.That(NcclMemory.Estimate(name => name == "NCCL_BUFFSIZE" ? "many" : null), Is.EqualTo(32 * 5 * connection));
        });
    }
}
