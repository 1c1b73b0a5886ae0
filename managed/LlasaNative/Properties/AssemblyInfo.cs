[assembly: System.Runtime.CompilerServices.InternalsVisibleTo("LlasaNative.Tests")]
[assembly: System.Runtime.CompilerServices.InternalsVisibleTo("LlasaNative.EndToEnd.Tests")]
