// What check_package.sh publishes trimmed, and compiled ahead of time: it finds no types by reflection.
using System;
using System.Text.Json;
using System.Text.Json.Serialization;
using SimpleIpc;

JsonSerializerOptions json = IpcJson.CreateOptions();
json.TypeInfoResolver = Known.Default;
var options = new IpcOptions { Json = json };
using IpcListener server = Ipc.ListenUdsRequest<Question, Answer>(
    "published", question => new Answer { Text = question.Text + "-bar" }, options);
Answer answer = await Ipc.PostUdsRequestAsync<Question, Answer>("published", new Question { Text = "response" }, options);
Console.WriteLine(answer.Text);

internal sealed class Question
{
    public string Text { get; set; } = "";
}

internal sealed class Answer
{
    public string Text { get; set; } = "";
}

[JsonSerializable(typeof(Question))]
[JsonSerializable(typeof(Answer))]
internal sealed partial class Known : JsonSerializerContext
{
}
