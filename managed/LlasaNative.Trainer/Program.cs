using LlasaNative.Trainer;

return CommandLine.Run(args);
