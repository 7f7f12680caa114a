"""What limits the speed of each part of the table, for the page Speed."""

READING = """\
The networks of this package spend their time on products of matrices: `wav2letter_small` multiplies and adds 179 million times for a
second of speech. TensorFlow and JAX compile the network to about the same work as the engines. torch calls one operation after the
other, which costs most for short clips. The language model adds a search for words. Whisper computes a window of 30 s whatever the
length of a clip, and writes its text token by token with a second network: four short clips cost it four windows, and the recording of
30 s costs one. PocketSphinx compares every 10 ms with thousands of Gaussian densities and follows many words at once. The last column
of the figures counts wrong words, where a few more or less are chance. Whisper costs far more and makes far fewer errors: it is a
larger network that learned from far more speech."""
TRAINING = """\
The convolutions and their gradients take most of a step in every row. The plain loop has torch's own layers, CTC and AdamW and nothing
else. The trainer and `fit` add masks for padding and a check of the loss, and the trainer an average of the weights. Backends differ in
the speed of their convolutions on a CPU and of their criterion."""
CRITERIA = """\
A criterion is a recursion over time: each frame waits for the frame before it, and one frame has little to compute, so that a processor
cannot use its whole width. The package's CTC calls the fastest function of the backend, which is C++ in torch and TensorFlow.
TensorFlow's function by itself costs 1.5 times (700 frames) and 1.9 times (150 frames) as much as torch's. The package adds 1 to 7 %.
Its ASG divides a recording into chunks and computes the products of all chunks at once, so that its loops have about as many steps
as the square root of the number of frames. It therefore gains on CTC with the length.
The authors' ASG is C++ with one loop over all frames and an exponential for each pair of letters in every frame."""
GENERATION = """\
A WaveNet computes one sample after the other. For one sound, each sample reads all weights from memory and multiplies them with a
single column, and on torch each operation is a call of its own. Eight sounds share the reading of the weights and the calls, so that a
sample costs less. Without the cache, the network computes its whole receptive field of 2,048 samples for every new one."""
STARTUP = """\
A new process reads and runs the files of the libraries that it imports. `import kerasrecipes` loads no backend, and `kerasrecipes list`
adds the command line and the facts of all recipes. The first words of a recording of 4 s need an engine or a backend, the weights and,
in Keras, the compilation of the network. faster-whisper computes a window of 30 s for them, and PocketSphinx loads its dictionary and
its language model."""
MEMORY = """\
A file of a minute passes the network whole. A longer one is decoded in blocks, and the network sees 30 s at a time. For this, the
onnxruntime engine opens a second graph, cut where the network normalizes by sums over the whole recording, which is most of the step to
30 minutes. Beyond, only the logits grow with the file: 12 MB for an hour at 25 frames a second."""
CLIPS = """\
Both ways start Python and load the network once, so that a clip costs less the more clips there are. In the end only the network and
the decoding of the files remain. The command starts two processes, the second of which reads the clips, and it writes rows that survive
an interruption. The figures divide its cost by that of the list for the same number of clips."""
