[assembly: System.Runtime.CompilerServices.InternalsVisibleTo("LlasaNative.Tests")]
