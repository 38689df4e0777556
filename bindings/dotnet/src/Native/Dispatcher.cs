using System;
using System.Collections.Generic;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;
using SimpleIpc.Values;

namespace SimpleIpc.Native
{
    /// <summary>
    /// A listener's handler on its way through C. The C library holds it by a GCHandle, which its drop frees when no
    /// message can arrive any more; the two functions that C calls are kept for the life of the process.
    /// </summary>
    internal abstract partial class Dispatcher
    {
        private static readonly MessageFunction MessageDelegate = OnMessage;
        private static readonly DropFunction DropDelegate = OnDrop;
        private static readonly unsafe ReportFunction ReportDelegate = OnReport;

        /// <summary>The <c>sipc_handler</c> to be given with a dispatcher.</summary>
        internal static readonly IntPtr Handler = Marshal.GetFunctionPointerForDelegate(MessageDelegate);

        /// <summary>The <c>sipc_drop</c> for whatever is given to C by <see cref="Hold"/>.</summary>
        internal static readonly IntPtr Drop = Marshal.GetFunctionPointerForDelegate(DropDelegate);

        /// <summary>The <c>sipc_failure_callback</c> to be given with a dispatcher.</summary>
        private static readonly IntPtr Report = Marshal.GetFunctionPointerForDelegate(ReportDelegate);

        /// <summary>Whose handler this is in, also behind an <c>await</c>. On a thread of the library it stays for the next message.</summary>
        private static readonly AsyncLocal<Dispatcher?> Around = new AsyncLocal<Dispatcher?>();

        /// <summary>Whose handler this thread is in, as the C library sees it.</summary>
        [ThreadStatic] private static Dispatcher? running;

        private readonly IpcOptions options;
        private readonly string method;

        protected Dispatcher(Delegate handler, IpcOptions? options)
        {
            if (handler is null)
            {
                throw new ArgumentNullException(nameof(handler));
            }
            // As they are now: they may be changed afterwards.
            this.options = new IpcOptions { Json = options?.Json, HandlerFailed = options?.HandlerFailed };
            method = Named(handler);
        }

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate void MessageFunction(IntPtr message, IntPtr responder, IntPtr userData);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate void DropFunction(IntPtr userData);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate void ReportFunction(IntPtr report, IntPtr userData);

        /// <summary>Whether it answers requests; else it takes broadcasts.</summary>
        internal abstract bool TakesRequests { get; }

        /// <summary>The listener's channel, for errors.</summary>
        internal string Channel { get; set; } = "";

        /// <summary>Whether this code is of this listener's handler, also behind an <c>await</c> of it.</summary>
        internal bool IsAround => ReferenceEquals(Around.Value, this);

        /// <summary>Whether the C library has this thread in this listener's handler.</summary>
        internal bool IsRunning => ReferenceEquals(running, this);

        /// <summary>Its asynchronous handlers that run.</summary>
        internal HandlersAtWork AtWork { get; } = new HandlersAtWork();

        /// <summary>Whether the handler takes a context, which costs questions to the library.</summary>
        protected bool TakesContext { get; set; }

        protected System.Text.Json.JsonSerializerOptions? Json => options.Json;

        /// <summary>A <c>user_data</c>, which C gives back to <see cref="Drop"/>.</summary>
        internal static IntPtr Hold(object value) => GCHandle.ToIntPtr(GCHandle.Alloc(value));

        /// <summary>Has the library's own warnings about the listener come here.</summary>
        internal void ListenTo(IntPtr nativeOptions) =>
            NativeMethods.sipc_options_on_handler_failure(nativeOptions, Report, Hold(this), Drop);

        internal abstract void Handle(IntPtr message, IntPtr responder);

        /// <summary>Tells the caller what a handler threw, and who is to hear of it.</summary>
        protected void Fail(Responder responder, Exception thrown)
        {
            Exception exception = ErrorText.Unwrapped(thrown);
            bool gaveUp = IsOfLeaving(exception) && responder.IsUnwanted;
            bool told = exception is HandlerException failure
                ? responder.Fail(Message(failure, out byte[]? data), failure.HandlerCode, data)
                : responder.Fail(ErrorText.Named(exception));
            if (!gaveUp)
            {
                Tell(exception, told && TakesRequests);
            }
        }

        /// <summary>Refuses a body that is not what the handler takes, which does not count as handled.</summary>
        protected void Reject(Responder responder, IpcException unfit)
        {
            bool told = responder.Reject($"the listener on channel \"{Channel}\" {unfit.Message}");
            if (!told || !TakesRequests)
            {
                Tell(unfit, false);
            }
        }

        /// <summary>Sends a reply. One that cannot be sent is the handler's failure, of which the caller has heard.</summary>
        protected void Respond<T>(Responder responder, T reply)
        {
            if (responder.Respond(Body.From(reply, Json, JsonPlace.Answer)) is IpcException mistake)
            {
                Tell(mistake, true);
            }
        }

        protected string Message(HandlerException failure, out byte[]? data)
        {
            data = null;
            try
            {
                data = failure.HandlerData is null ? null : JsonText.Write(failure.HandlerData, Json, JsonPlace.Data);
                return ErrorText.Of(failure);
            }
            catch (JsonMistake mistake)
            {
                return $"{ErrorText.Of(failure)} (without its data: {mistake.Message})";
            }
        }

        protected void Tell(Exception exception, bool callerTold)
        {
            try
            {
                var failure = new IpcHandlerFailure(Channel, method, exception, callerTold);
                if (options.HandlerFailed != null)
                {
                    options.HandlerFailed(failure);
                }
                else if (!callerTold)
                {
                    Console.Error.WriteLine("simple_ipc: " + failure);
                }
            }
            catch (Exception)
            {
                // There is nobody left to tell.
            }
        }

        /// <summary>What a stack trace calls it.</summary>
        private static string Named(Delegate handler)
        {
            MethodInfo method = handler.Method;
            return method.DeclaringType is null ? method.Name : $"{method.DeclaringType.FullName}.{method.Name}";
        }

        private static void OnMessage(IntPtr message, IntPtr responder, IntPtr userData)
        {
            Dispatcher? outer = running;
            try
            {
                running = (Dispatcher)GCHandle.FromIntPtr(userData).Target!;
                if (!running.IsAround)
                {
                    Around.Value = running;
                }
                running.Handle(message, responder);
            }
            catch (Exception)
            {
                // Handle has answered already, or lets the responder's finalizer do it: only memory can lack here. No
                // exception may cross into C.
            }
            finally
            {
                running = outer;
            }
        }

        private static unsafe void OnReport(IntPtr report, IntPtr userData)
        {
            try
            {
                var native = (NativeHandlerReport*)report;
                // What a handler failed with is told above, where its exception is at hand.
                if (native->Status != (int)IpcStatus.HandlerFailed)
                {
                    string warning = Text.FromNative((byte*)native->Message) ?? "";
                    ((Dispatcher)GCHandle.FromIntPtr(userData).Target!).Tell(new IpcException((IpcStatus)native->Status, warning), false);
                }
            }
            catch (Exception)
            {
                // Only memory can lack here. No exception may cross into C.
            }
        }

        private static void OnDrop(IntPtr userData) => GCHandle.FromIntPtr(userData).Free();
    }

    /// <summary>Answers requests. One of the two functions is set.</summary>
    internal sealed class RequestDispatcher<TIn, TOut> : Dispatcher
    {
        private readonly Func<TIn, IpcContext, TOut>? handler;
        private readonly Func<TIn, IpcContext, Task<TOut>>? later;

        internal RequestDispatcher(Func<TIn, TOut> function, IpcOptions? options) : base(function, options) =>
            handler = (data, _) => function(data);

        internal RequestDispatcher(Func<TIn, Task<TOut>> function, IpcOptions? options) : base(function, options) =>
            later = (data, _) => function(data);

        internal RequestDispatcher(Func<TIn, IpcContext, TOut> function, IpcOptions? options) : base(function, options)
        {
            handler = function;
            TakesContext = true;
        }

        internal RequestDispatcher(Func<TIn, IpcContext, Task<TOut>> function, IpcOptions? options) : base(function, options)
        {
            later = function;
            TakesContext = true;
        }

        internal override bool TakesRequests => true;

        internal override void Handle(IntPtr message, IntPtr pointer)
        {
            // One whose answers may be anything may answer with a sequence.
            if (handler != null && !TakesContext && typeof(TOut) != typeof(object))
            {
                HandleAtOnce(message, pointer);
                return;
            }
            var responder = new Responder(pointer, owned: true);
            TIn data;
            try
            {
                data = Body.To<TIn>(message, Json);
            }
            catch (IpcException unfit)
            {
                Reject(responder, unfit);
                return;
            }
            IpcContext? context = null;
            try
            {
                context = TakesContext ? new IpcContext(responder, pointer, Json) : null;
                if (handler != null)
                {
                    Answer(responder, handler(data, context!), context);
                    return;
                }
                Task<TOut> task = later!(data, context!) ?? throw new InvalidOperationException("the handler returned no task");
                // The thread goes back to the library; the answer is sent when there is one.
                _ = FinishAsync(task, responder, context);
            }
            catch (Exception exception)
            {
                Fail(responder, exception);
                context?.End();
            }
        }

        /// <summary>A message whose answer is there when the handler returns: nobody else asks for its responder meanwhile.</summary>
        private void HandleAtOnce(IntPtr message, IntPtr pointer)
        {
            Outgoing reply;
            bool isRead = false;
            try
            {
                TIn data = Body.To<TIn>(message, Json);
                isRead = true;
                reply = Body.From(handler!(data, null!), Json, JsonPlace.Answer);
            }
            catch (IpcException unfit) when (!isRead)
            {
                Reject(new Responder(pointer, owned: true), unfit);
                return;
            }
            catch (Exception exception)
            {
                Fail(new Responder(pointer, owned: true), exception);
                return;
            }
            if (Responder.Respond(pointer, reply) is IpcException mistake)
            {
                Tell(mistake, true);
            }
        }

        private async Task FinishAsync(Task<TOut> task, Responder responder, IpcContext? context)
        {
            AtWork.Begin();
            try
            {
                Answer(responder, await task.ConfigureAwait(false), context);
            }
            catch (Exception exception)
            {
                Fail(responder, exception);
                context?.End();
            }
            finally
            {
                AtWork.End();
            }
        }

        private void Answer(Responder responder, TOut reply, IpcContext? context)
        {
            // Only a handler whose answers may be anything can choose so late.
            if (typeof(TOut) == typeof(object) && reply is IAsyncEnumerable<object> sequence)
            {
                if (Begin(responder, context, out CancellationToken left) is ItemStream answer)
                {
                    _ = AnswerAsync(() => sequence, answer, context, left);
                }
                return;
            }
            Respond(responder, reply);
            context?.End();
        }
    }

    /// <summary>Takes broadcasts. One of the two functions is set.</summary>
    internal sealed class BroadcastDispatcher<TIn> : Dispatcher
    {
        private readonly Action<TIn, IpcContext>? handler;
        private readonly Func<TIn, IpcContext, Task>? later;

        internal BroadcastDispatcher(Action<TIn> function, IpcOptions? options) : base(function, options) =>
            handler = (data, _) => function(data);

        internal BroadcastDispatcher(Func<TIn, Task> function, IpcOptions? options) : base(function, options) =>
            later = (data, _) => function(data);

        internal BroadcastDispatcher(Action<TIn, IpcContext> function, IpcOptions? options) : base(function, options)
        {
            handler = function;
            TakesContext = true;
        }

        internal BroadcastDispatcher(Func<TIn, IpcContext, Task> function, IpcOptions? options) : base(function, options)
        {
            later = function;
            TakesContext = true;
        }

        internal override bool TakesRequests => false;

        internal override void Handle(IntPtr message, IntPtr pointer)
        {
            var responder = new Responder(pointer, owned: false);
            try
            {
                TIn data;
                try
                {
                    data = Body.To<TIn>(message, Json);
                }
                catch (IpcException unfit)
                {
                    Reject(responder, unfit);
                    return;
                }
                IpcContext context = TakesContext ? new IpcContext(responder, pointer, Json) : null!;
                if (handler != null)
                {
                    handler(data, context);
                    return;
                }
                Task task = later!(data, context) ?? throw new InvalidOperationException("the handler returned no task");
                // One after another, in the order sent: the library hands out the next one when this returns.
                task.GetAwaiter().GetResult();
            }
            catch (Exception exception)
            {
                Fail(responder, exception);
            }
            finally
            {
                responder.Return();
            }
        }
    }
}
