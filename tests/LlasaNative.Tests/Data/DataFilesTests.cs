using LlasaNative.Data;
using LlasaNative.Tests.Support;

namespace LlasaNative.Tests.Data;

/// <summary>What people's data directories look like, and which of their files are read.</summary>
public sealed class DataFilesTests
{
    private TemporaryDirectory _directory = null!;

    [SetUp]
    public void CreateDirectory() => _directory = new TemporaryDirectory();

    [TearDown]
    public void DeleteDirectory() => _directory.Dispose();

    // Expected are the splits that datasets.load_dataset gives (data_files.py of datasets 4), but for upper case.
    [TestCase("train.parquet test.parquet", DataSplit.Train, "train.parquet")]
    [TestCase("train.parquet test.parquet", DataSplit.Test, "test.parquet")]
    [TestCase("train.parquet test.parquet", DataSplit.Validation, "test.parquet")]
    [TestCase("train.txt dev.txt eval.txt", DataSplit.Validation, "dev.txt")]
    [TestCase("train.txt valid.txt", DataSplit.Test, "valid.txt")]
    [TestCase("my_training_set.csv my-testing-set.csv", DataSplit.Train, "my_training_set.csv")]
    [TestCase("my_training_set.csv my-testing-set.csv", DataSplit.Test, "my-testing-set.csv")]
    [TestCase("data/train-00000-of-00002.parquet data/train-00001-of-00002.parquet data/validation-00000-of-00001.parquet", DataSplit.Train,
        "data/train-00000-of-00002.parquet data/train-00001-of-00002.parquet")]
    [TestCase("data/train-00000-of-00001-a1b2c3.parquet test/more.parquet", DataSplit.Train, "data/train-00000-of-00001-a1b2c3.parquet")]
    [TestCase("train-00000-of-00001.parquet test-00000-of-00001.parquet", DataSplit.Test, "test-00000-of-00001.parquet")]
    [TestCase("train/a.txt train/b.txt test/train-like.txt other.txt", DataSplit.Train, "train/a.txt train/b.txt")]
    [TestCase("en/dev/a.txt en/train_2/b.txt", DataSplit.Train, "en/train_2/b.txt")]
    [TestCase("Train.csv Test.csv", DataSplit.Train, "Train.csv")]
    [TestCase("validation1.jsonl 1train.jsonl", DataSplit.Train, "1train.jsonl")]
    [TestCase("contest.txt latest.txt trained.txt devices.txt", DataSplit.Train, "contest.txt devices.txt latest.txt trained.txt")]
    [TestCase("a.txt b/c.jsonl", DataSplit.Train, "a.txt b/c.jsonl")]
    [TestCase("a.txt b/c.jsonl", DataSplit.Test, "a.txt b/c.jsonl")]
    [TestCase("sentences.txt test.txt", DataSplit.Train, "sentences.txt")]
    [TestCase("train.txt", DataSplit.Test, "train.txt")]
    [TestCase("train.txt test.txt", DataSplit.All, "test.txt train.txt")]
    public void Find_OfADirectory_TakesTheSplitThatTheNamesSay(string files, DataSplit split, string expected)
    {
        Make(files.Split(' '));
        DataFiles found = DataFiles.Find(_directory.Path, split);
        Assert.Multiple(() =>
        {
            Assert.That(found.Paths, Is.EqualTo(expected.Split(' ').Select(f => Path.Combine(_directory.Path, f))));
            Assert.That(DataFiles.Choose("hf://datasets/me/set", files.Split(' '), split), Is.EqualTo(expected.Split(' ')), "on the Hub and on HDFS as here");
            Assert.That(found.LeftOut.Select(l => l.Name).Concat(expected.Split(' ')), Is.EquivalentTo(files.Split(' ')), "what is not read is said");
        });
    }

    // Expected are the files that datasets.load_dataset gives for the split (MetadataConfigs of datasets 4).
    [TestCase("data_files: b.txt", DataSplit.Train, "b.txt")]
    [TestCase("data_files: ['a.txt', 'sub/*.txt']", DataSplit.Train, "a.txt sub/d.txt")]
    [TestCase("data_files: [{split: train, path: b.txt}, {split: test, path: [a.txt, 'sub/**']}]", DataSplit.Train, "b.txt")]
    [TestCase("data_files: [{split: train, path: b.txt}, {split: test, path: [a.txt, 'sub/**']}]", DataSplit.Test, "a.txt sub/d.txt sub/deep/train.txt")]
    [TestCase("data_files: [{split: train, path: b.txt}, {split: test, path: [a.txt, 'sub/**']}]", DataSplit.All, "a.txt b.txt sub/d.txt sub/deep/train.txt")]
    [TestCase("data_files: {validation: '[!b-z].txt', train: '**/?.txt'}", DataSplit.Validation, "a.txt")]
    [TestCase("data_files: {validation: '[!b-z].txt', train: '**/?.txt'}", DataSplit.Train, "a.txt b.txt sub/d.txt")]
    [TestCase("data_files: [{split: full, path: ./test.txt}]", DataSplit.Train, "test.txt")]
    [TestCase("{data_dir: sub, data_files: d.txt}", DataSplit.Train, "sub/d.txt")]
    [TestCase("data_dir: sub", DataSplit.Train, "sub/deep/train.txt")]
    [TestCase("drop_labels: true", DataSplit.Train, "sub/deep/train.txt")]
    public void MyReadmeSaysWhichFilesAreWhichSplit_AndThoseAreRead(string config, DataSplit split, string expected)
    {
        string[] names = ["a.txt", "b.txt", "test.txt", "sub/d.txt", "sub/deep/train.txt", "notes.md"];
        Make(names);
        string text = $"---\nlicense: mit\nconfigs:\n- {(config[0] == '{' ? config : $"{{config_name: default, {config}}}")}\n---\n# Data\n";
        File.WriteAllText(Path.Combine(_directory.Path, "README.md"), text);
        DataFiles found = DataFiles.Find(_directory.Path, split);
        Assert.Multiple(() =>
        {
            Assert.That(found.Paths, Is.EqualTo(expected.Split(' ').Select(f => Path.Combine(_directory.Path, f))));
            Assert.That(DataFiles.Choose("hf://datasets/me/set", names, split, Path.Combine(_directory.Path, "README.md")), Is.EqualTo(expected.Split(' ')));
            Assert.That(found.LeftOut.Select(l => l.Name).Concat(expected.Split(' ')), Is.EquivalentTo(names.Append("README.md")));
        });
    }

    [Test]
    public void MyReadmeListsSeveralConfigurations_AndTheDefaultOneIsRead()
    {
        Make("en.txt", "de.txt");
        string card = Path.Combine(_directory.Path, "README.md");
        File.WriteAllText(card, "---\nconfigs:\n- config_name: en\n  data_files: en.txt\n- config_name: de\n  data_files: de.txt\n  default: true\n---\n");
        DataFiles found = DataFiles.Find(_directory.Path, DataSplit.Train);
        Assert.That(found.Paths.Select(Path.GetFileName), Is.EqualTo(["de.txt"]));
        Assert.That(found.Describe(), Does.Contain("the train split by README.md, 1 file: de.txt").And.Contains("left out (not in the `configs` of README.md): en.txt"));
        File.WriteAllText(card, "---\nconfigs:\n- config_name: en\n  data_files: en.txt\n- config_name: de\n  data_files: de.txt\n---\n");
        Assert.That(() => DataFiles.Find(_directory.Path), Throws.TypeOf<UsageException>().With.Message.Contains("`en`, `de`").And.Message.Contains("none of them the default"));
        File.WriteAllText(card, "---\nconfigs:\n- data_files: fr/*.txt\n---\n");
        Assert.That(() => DataFiles.Find(_directory.Path), Throws.TypeOf<UsageException>().With.Message.Contains("en.txt").And.Message.Contains("README.md"));
    }

    [TestCase("# Data\n\nconfigs:\n- data_files: b.txt\n")]
    [TestCase("---\nconfigs:\n- data_files: b.txt\n")]
    [TestCase("---\nnot: [yaml\n---\n")]
    [TestCase("---\n---\n")]
    [TestCase("---\nlicense: mit\nconfigs: []\n---\n")]
    public void MyReadmeSaysNothingOfFiles_AndTheirNamesDo(string text)
    {
        Make("a.txt", "b.txt");
        File.WriteAllText(Path.Combine(_directory.Path, "README.md"), text);
        Assert.That(DataFiles.Find(_directory.Path, DataSplit.Train).Paths, Has.Count.EqualTo(2));
    }

    [Test]
    public void Find_ForTraining_RefusesADirectoryWithATestSetOnly()
    {
        Make("test.txt", "dev.txt");
        Assert.That(() => DataFiles.Find(_directory.Path, DataSplit.Train), Throws.TypeOf<UsageException>().With.Message.StartsWith(_directory.Path)
            .And.Message.Contains("test.txt (test)").And.Message.Contains("dev.txt (validation)"));
        Assert.That(DataFiles.Find(Path.Combine(_directory.Path, "test.txt"), DataSplit.Train).IsSingle, "a file that is named is meant");
    }

    [Test]
    public void Find_LeavesOutHiddenFilesAndTextsAboutTheData_AndSaysSo()
    {
        Make("a.txt", ".hidden.txt", "._a.txt", ".git/description.txt", ".ipynb_checkpoints/a-checkpoint.csv", "__MACOSX/a.txt", "__pycache__/b.txt", "sub/.b/c.txt",
            "LICENSE.txt", "license-2.0.txt", "README_de.txt", "README.md", "requirements.txt", "readmes/b.txt", "noticed.txt", "a.wav");
        DataFiles found = DataFiles.Find(_directory.Path, DataSplit.Train);
        Assert.Multiple(() =>
        {
            Assert.That(found.Paths.Select(p => Path.GetRelativePath(_directory.Path, p)), Is.EqualTo(["a.txt", "noticed.txt", "readmes/b.txt"]));
            Assert.That(found.LeftOut.Select(l => l.Name), Is.EquivalentTo([
                ".hidden.txt", "._a.txt", ".git/", ".ipynb_checkpoints/", "__MACOSX/", "__pycache__/", "sub/.b/",
                "LICENSE.txt", "license-2.0.txt", "README_de.txt", "README.md", "requirements.txt", "a.wav"]));
            Assert.That(found.Describe(), Does.Contain("3 files: a.txt, noticed.txt, readmes/b.txt").And.Contains("left out (about the data): LICENSE.txt, README_de.txt")
                .And.Contains("left out (hidden): ").And.Contains(".git/"));
        });
    }

    [Test]
    public void Find_OfADirectoryInAHiddenOne_ReadsWhatWasNamed()
    {
        Make(".cache/set/a.txt");
        Assert.That(DataFiles.Find(Path.Combine(_directory.Path, ".cache", "set")).Paths, Has.Count.EqualTo(1));
    }

    [Test]
    public void Find_FollowsLinks_ButNotInCircles()
    {
        Make("real/a.txt", "real/deep/b.txt");
        Directory.CreateSymbolicLink(Path.Combine(_directory.Path, "real", "deep", "up"), "..");
        Directory.CreateSymbolicLink(Path.Combine(_directory.Path, "linked"), "real");
        Assert.That(DataFiles.Find(Path.Combine(_directory.Path, "linked")).Paths.Select(Path.GetFileName), Is.EqualTo(["a.txt", "b.txt"]));
        Assert.That(DataFiles.Find(_directory.Path).Paths, Has.Count.EqualTo(4), "a link to a folder beside is read, as `datasets` does");
    }

    [Test]
    public void Find_OfADirectoryOfOtherThings_SaysWhatThereIs()
    {
        Make("README.md", ".git/a.txt");
        Assert.That(() => DataFiles.Find(_directory.Path), Throws.TypeOf<UsageException>().With.Message.Contains(".txt, .jsonl, .csv, .parquet")
            .And.Message.Contains("README.md (other kinds)").And.Message.Contains(".git/ (hidden)"));
    }

    [TestCase("a.txt", "one\nt\0w\0o\0\n")]
    [TestCase("a.csv", "text\none\nt\0wo\n")]
    [TestCase("a.jsonl", "{\"text\": \"one\"}\n{\"text\": \"t\\u0000wo\"}\n")]
    public void Read_OfATextWithNulBytes_IsRefused(string name, string content)
    {
        string path = Path.Combine(_directory.Path, name);
        File.WriteAllText(path, content);
        Assert.That(() => PromptFile.Read(path), Throws.TypeOf<DataFileException>().With.Message.StartsWith(path + ": line ").And.Message.Contains("NUL byte"));
        Assert.That(PromptSet.Read(DataFiles.Find(path), faults: RowFaults.Skip).Texts, Is.EqualTo(["one"]));
    }

    [TestCase("""{"sentence": "one", "speaker": 3}""", "expected an object with a text `text`, found the fields sentence, speaker")]
    [TestCase("""{"text": 5}""", "expected a text `text`, found 5")]
    [TestCase("""{"text": null}""", "expected a text `text`, found null")]
    [TestCase("""["one", "two"]""", "expected an object with a text `text`, found [\"one\", \"two\"]")]
    public void MyJsonLinesHaveNoText_AndIAmToldWhatTheyHave(string line, string expected)
    {
        string path = Path.Combine(_directory.Path, "a.jsonl");
        File.WriteAllText(path, line + "\n");
        Assert.That(() => PromptFile.Read(path), Throws.TypeOf<DataFileException>().With.Message.EqualTo($"{path}: line 1: {expected}"));
        SpokenRow row = new SpokenSource(path, name => name.EndsWith(".wav", StringComparison.Ordinal)).Read().Single();
        Assert.That(row.Fault!.Message, Does.EndWith(expected));
    }

    private void Make(params string[] names)
    {
        foreach (string name in names)
        {
            string path = Path.Combine(_directory.Path, name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, "x\n");
        }
    }
}
