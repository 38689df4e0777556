using System.Text.Json.Serialization;

namespace SimpleIpc.Examples.Worker
{
    /// <summary>What a worker is asked to do.</summary>
    internal sealed class Job
    {
        [JsonPropertyName("job")]
        public string Name { get; set; } = "";

        public long To { get; set; }

        public int Steps { get; set; }
    }

    /// <summary>What a front end reads of a worker: how far it is, or what came of it.</summary>
    internal sealed class Report
    {
        public int? Progress { get; set; }

        public long? Result { get; set; }
    }
}
