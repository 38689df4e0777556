using System;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Threading.Tasks;

namespace SimpleIpc.Native
{
    /// <summary>
    /// A listener's handler on its way through C. The C library holds it by a GCHandle, which its drop frees when no
    /// message can arrive any more; the two functions that C calls are kept for the life of the process.
    /// </summary>
    internal abstract class Dispatcher
    {
        private static readonly MessageFunction MessageDelegate = OnMessage;
        private static readonly DropFunction DropDelegate = OnDrop;

        /// <summary>The <c>sipc_handler</c> to be given with a dispatcher.</summary>
        internal static readonly IntPtr Handler = Marshal.GetFunctionPointerForDelegate(MessageDelegate);

        /// <summary>The <c>sipc_drop</c> for whatever is given to C by <see cref="Hold"/>.</summary>
        internal static readonly IntPtr Drop = Marshal.GetFunctionPointerForDelegate(DropDelegate);

        [ThreadStatic] private static Dispatcher? running;

        private readonly IpcOptions options;

        protected Dispatcher(Delegate handler, IpcOptions? options)
        {
            if (handler is null)
            {
                throw new ArgumentNullException(nameof(handler));
            }
            // As they are now: they may be changed afterwards.
            this.options = new IpcOptions { Json = options?.Json, HandlerFailed = options?.HandlerFailed };
        }

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate void MessageFunction(IntPtr message, IntPtr responder, IntPtr userData);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate void DropFunction(IntPtr userData);

        /// <summary>Whether it answers requests; else it takes broadcasts.</summary>
        internal abstract bool TakesRequests { get; }

        /// <summary>Whether this thread is inside this listener's handler.</summary>
        internal bool IsRunning => ReferenceEquals(running, this);

        /// <summary>Whether the handler takes a context, which costs questions to the library.</summary>
        protected bool TakesContext { get; set; }

        protected System.Text.Json.JsonSerializerOptions? Json => options.Json;

        /// <summary>A <c>user_data</c>, which C gives back to <see cref="Drop"/>.</summary>
        internal static IntPtr Hold(object value) => GCHandle.ToIntPtr(GCHandle.Alloc(value));

        internal abstract void Handle(IntPtr message, IntPtr responder);

        /// <summary>Reports what a handler threw; the text is what the caller is told.</summary>
        protected string Failed(Exception exception)
        {
            while (exception is TargetInvocationException && exception.InnerException != null)
            {
                exception = exception.InnerException;
            }
            try
            {
                options.HandlerFailed?.Invoke(exception);
            }
            catch (Exception)
            {
                // There is nobody left to tell.
            }
            return exception.Message.Length > 0 ? exception.Message : exception.GetType().Name;
        }

        private static void OnMessage(IntPtr message, IntPtr responder, IntPtr userData)
        {
            Dispatcher? outer = running;
            try
            {
                running = (Dispatcher)GCHandle.FromIntPtr(userData).Target!;
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
            var responder = new Responder(pointer, owned: true);
            try
            {
                IpcContext context = TakesContext ? new IpcContext(responder, pointer) : null!;
                TIn data = Body.To<TIn>(message, Json);
                if (handler != null)
                {
                    responder.Respond(Body.From(handler(data, context), Json));
                    return;
                }
                Task<TOut> task = later!(data, context) ?? throw new InvalidOperationException("the handler returned no task");
                // The thread goes back to the library; the answer is sent when there is one.
                _ = FinishAsync(task, responder);
            }
            catch (Exception exception)
            {
                responder.Fail(Failed(exception));
            }
        }

        private async Task FinishAsync(Task<TOut> task, Responder responder)
        {
            try
            {
                TOut reply = await task.ConfigureAwait(false);
                responder.Respond(Body.From(reply, Json));
            }
            catch (Exception exception)
            {
                responder.Fail(Failed(exception));
            }
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
                IpcContext context = TakesContext ? new IpcContext(responder, pointer) : null!;
                TIn data = Body.To<TIn>(message, Json);
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
                responder.Fail(Failed(exception));
            }
            finally
            {
                responder.Return();
            }
        }
    }
}
